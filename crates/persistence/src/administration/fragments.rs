//! Lists of accounts, in pieces of SQL that Diesel has no words for.
//!
//! Every tier, enabled and disabled apart, has its own range of an index that is in order of time, and of one in order
//! of addresses: a list is the beginning of each such range that it is about, put together. So it reads as many rows
//! as it shows, and passes over, of at most eight ranges, whatever is filtered by. The few administrators have a small
//! index, and are sorted when they are asked for. Instants are written as sums, as in the index, and otherwise for
//! administrators, as are tiers and addresses: no other index leads there, and so none past everybody else.

use alpine_domain::account::{Role, Tier, UserFilter, UserPosition, UserQuery};
use diesel::{
    QueryResult,
    backend::Backend,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool, HasSqlType, Text},
};

use crate::AnyConnection;

/// Greater than each character of an address, which cannot hold it itself: no character is assigned to it.
const LAST_CHARACTER: char = '\u{10ffff}';

/// What every account of a list fulfils, and the order of the list.
#[derive(Debug, Clone)]
struct Listing {
    /// One for each range; `None`: in any.
    ranges: Vec<(Option<&'static str>, Option<bool>)>,
    only_admins: bool,
    without_admins: bool,
    /// The first address that is meant, and the first one that is not.
    addresses: Option<(String, String)>,
    /// The address and the instant as they are compared.
    address: &'static str,
    instant: &'static str,
}

impl Listing {
    fn new(conn: &AnyConnection, filter: &UserFilter) -> Self {
        let only_admins = filter.role == Some(Role::Admin);
        // By bytes, as the index on PostgreSQL is; SQLite knows nothing else.
        let address = match (conn, only_admins) {
            (AnyConnection::Postgres(_), false) => "email COLLATE \"C\"",
            (AnyConnection::Postgres(_), true) => "(email || '') COLLATE \"C\"",
            (AnyConnection::Sqlite(_), false) => "email",
            (AnyConnection::Sqlite(_), true) => "(email || '')",
        };
        let tiers = filter.tier.map_or(Tier::ALL.to_vec(), |tier| vec![tier]);
        let states = filter.is_active.map_or(vec![true, false], |is_active| vec![is_active]);
        let ranges = if only_admins {
            vec![(filter.tier.map(Tier::as_str), filter.is_active)]
        } else {
            let of_tier =
                |tier: Tier| states.iter().map(move |it| (Some(tier.as_str()), Some(*it)));
            tiers.into_iter().flat_map(of_tier).collect()
        };
        let addresses = filter.search.as_ref().map(|prefix| {
            let first = prefix.as_str().to_owned();
            let end = format!("{first}{LAST_CHARACTER}");
            (first, end)
        });
        let without_admins = filter.role == Some(Role::User);
        let instant = if only_admins { "(0 + created_at)" } else { "(created_at + 0)" };
        Self { ranges, only_admins, without_admins, addresses, address, instant }
    }

    /// `WHERE …` of one range.
    fn condition<'b, DB>(
        &'b self,
        (tier, is_active): &'b (Option<&'static str>, Option<bool>),
        pass: &mut AstPass<'_, 'b, DB>,
    ) -> QueryResult<()>
    where
        str: ToSql<Text, DB>,
        bool: ToSql<Bool, DB>,
        DB: Backend + HasSqlType<Text> + HasSqlType<Bool>,
    {
        pass.push_sql(match (self.only_admins, self.without_admins) {
            (true, _) => " WHERE role = 'admin'",
            (false, true) => " WHERE role = 'user'",
            (false, false) => " WHERE TRUE",
        });
        if let Some(tier) = tier {
            pass.push_sql(if self.only_admins { " AND (tier || '') = " } else { " AND tier = " });
            pass.push_bind_param::<Text, str>(tier)?;
        }
        if let Some(is_active) = is_active {
            pass.push_sql(" AND is_active = ");
            pass.push_bind_param::<Bool, _>(is_active)?;
        }
        if let Some((first, end)) = &self.addresses {
            for (operator, bound) in [(" >= ", first), (" < ", end)] {
                pass.push_sql(" AND ");
                pass.push_sql(self.address);
                pass.push_sql(operator);
                pass.push_bind_param::<Text, str>(bound)?;
            }
        }
        Ok(())
    }

    fn push_order<DB: Backend>(&self, pass: &mut AstPass<'_, '_, DB>) {
        pass.push_sql(" ORDER BY ");
        if self.addresses.is_some() {
            pass.push_sql(self.address);
        } else {
            pass.push_sql(self.instant);
            pass.push_sql(" DESC, id DESC");
        }
    }
}

/// A position as it is compared.
#[derive(Debug, Clone)]
enum After {
    Newest(i64, String),
    Address(String),
}

/// `users.id IN (…)`: the accounts of one part of a list.
#[derive(Debug, Clone)]
pub(super) struct OnPage {
    listing: Listing,
    after: Option<After>,
    /// Of each range.
    most: i64,
    limit: i64,
    offset: i64,
}

impl OnPage {
    pub(super) fn new(conn: &AnyConnection, query: &UserQuery) -> Self {
        let after = query.after.as_ref().map(|after| match after {
            UserPosition::Newest { created_at, id } => {
                After::Newest(created_at.micros(), id.to_string())
            }
            UserPosition::Address(address) => After::Address(address.clone()),
        });
        let (limit, offset) = (i64::from(query.limit), i64::from(query.passed_over()));
        let listing = Listing::new(conn, &query.filter);
        Self { listing, after, most: limit + offset, limit, offset }
    }

    fn push_after<'b, DB>(&'b self, pass: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>,
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
    {
        match &self.after {
            None => {}
            Some(After::Newest(instant, id)) => {
                // A row comparison starts reading the index there. SQLite knows it of columns only: it starts at the first
                // account of the same instant.
                pass.push_sql(" AND ");
                pass.push_sql(self.listing.instant);
                pass.push_sql(" <= ");
                pass.push_bind_param::<BigInt, _>(instant)?;
                pass.push_sql(" AND (");
                pass.push_sql(self.listing.instant);
                pass.push_sql(", id) < (");
                pass.push_bind_param::<BigInt, _>(instant)?;
                pass.push_sql(", ");
                pass.push_bind_param::<Text, str>(id)?;
                pass.push_sql(")");
            }
            Some(After::Address(address)) => {
                pass.push_sql(" AND ");
                pass.push_sql(self.listing.address);
                pass.push_sql(" > ");
                pass.push_bind_param::<Text, str>(address)?;
            }
        }
        Ok(())
    }
}

impl QueryId for OnPage {
    type QueryId = ();
    // Its text depends on what is asked for.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<GroupBy> ValidGrouping<GroupBy> for OnPage {
    type IsAggregate = diesel::expression::is_aggregate::No;
}

impl Expression for OnPage {
    type SqlType = Bool;
}

impl<Source> AppearsOnTable<Source> for OnPage {}
impl<Source> SelectableExpression<Source> for OnPage {}

impl<DB> QueryFragment<DB> for OnPage
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Bool>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
    bool: ToSql<Bool, DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("users.id IN (SELECT id FROM (");
        for (number, range) in self.listing.ranges.iter().enumerate() {
            pass.push_sql(if number == 0 { "" } else { " UNION ALL " });
            pass.push_sql("SELECT * FROM (SELECT id, email, created_at FROM users");
            self.listing.condition(range, &mut pass)?;
            self.push_after(&mut pass)?;
            self.listing.push_order(&mut pass);
            pass.push_sql(" LIMIT ");
            pass.push_bind_param::<BigInt, _>(&self.most)?;
            pass.push_sql(") AS one");
        }
        pass.push_sql(") AS ranges");
        self.listing.push_order(&mut pass);
        pass.push_sql(" LIMIT ");
        pass.push_bind_param::<BigInt, _>(&self.limit)?;
        pass.push_sql(" OFFSET ");
        pass.push_bind_param::<BigInt, _>(&self.offset)?;
        pass.push_sql(")");
        Ok(())
    }
}

/// How many accounts a list has. Counting stops at a cap, over all ranges together.
#[derive(Debug, Clone)]
pub(super) struct CountOfUsers {
    listing: Listing,
    cap: i64,
}

impl CountOfUsers {
    pub(super) fn new(conn: &AnyConnection, filter: &UserFilter, cap: u32) -> Self {
        Self { listing: Listing::new(conn, filter), cap: cap.into() }
    }
}

impl QueryId for CountOfUsers {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for CountOfUsers {
    type SqlType = BigInt;
}

impl<Conn> diesel::RunQueryDsl<Conn> for CountOfUsers {}

impl<DB> QueryFragment<DB> for CountOfUsers
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Bool>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
    bool: ToSql<Bool, DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT COUNT(*) FROM (");
        for (number, range) in self.listing.ranges.iter().enumerate() {
            pass.push_sql(if number == 0 { "" } else { " UNION ALL " });
            // In order and with a limit, so that a range is read by its index: in the order of the table, those that are
            // meant could be the last ones.
            pass.push_sql("SELECT id FROM (SELECT id FROM users");
            self.listing.condition(range, &mut pass)?;
            self.listing.push_order(&mut pass);
            pass.push_sql(" LIMIT ");
            pass.push_bind_param::<BigInt, _>(&self.cap)?;
            pass.push_sql(") AS one");
        }
        pass.push_sql(" LIMIT ");
        pass.push_bind_param::<BigInt, _>(&self.cap)?;
        pass.push_sql(") AS capped");
        Ok(())
    }
}
