//! Sums beside what they count, and on which day users were last active.

pub(crate) mod causes;
pub(crate) mod rows;

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    account::UserId,
    analytics::{Counted, Day, Rollup, RollupDifference, RollupName, RollupStore},
    audit::{Action, Entry},
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryableByName, RunQueryDsl as _,
    sql_types::{BigInt, Text},
};

use self::{causes::note_active, rows::read};
use crate::{
    AnyConnection, Database, Failure,
    database::Unit,
    dialect,
    schema::{rollups, users},
};

/// The sums of one database.
#[derive(Clone)]
pub struct Rollups(Database);

impl Rollups {
    /// The sums kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    value: i64,
}

/// How each sum is counted. A deleted account is known by the placeholder of its address; division by a day's
/// microseconds rounds down, also before 1970.
const fn counting(name: RollupName) -> Option<&'static str> {
    Some(match name {
        RollupName::Users => {
            "SELECT CAST(0 AS BIGINT) AS day, tier AS key, COUNT(*) AS value FROM users \
             WHERE email <> id || '@deleted.invalid' GROUP BY tier"
        }
        RollupName::SignUps => {
            "SELECT day, '' AS key, COUNT(*) AS value FROM (SELECT (created_at - ((created_at % 86400000000) \
             + 86400000000) % 86400000000) / 86400000000 AS day FROM users) AS days GROUP BY day"
        }
        RollupName::Signals => {
            "SELECT day, key, COUNT(*) AS value FROM (SELECT (created_at - ((created_at % 86400000000) \
             + 86400000000) % 86400000000) / 86400000000 AS day, \
             CASE WHEN is_simulated THEN 'simulated' ELSE 'live' END AS key FROM signals) AS days GROUP BY day, key"
        }
        RollupName::Active => {
            "SELECT last_day AS day, '' AS key, COUNT(*) AS value FROM user_activity GROUP BY last_day"
        }
        RollupName::Subscribers => {
            "SELECT CAST(0 AS BIGINT) AS day, given AS key, COUNT(*) AS value FROM subscriptions \
             WHERE given IS NOT NULL GROUP BY given"
        }
        RollupName::MonthlyRevenue => {
            "SELECT CAST(0 AS BIGINT) AS day, '' AS key, CAST(COALESCE(SUM(CASE WHEN paid_every = 'year' THEN (cents + 6) / 12 \
             ELSE cents END), 0) AS BIGINT) AS value FROM subscriptions WHERE given IS NOT NULL"
        }
        RollupName::Revenue => {
            "SELECT day, key, CAST(SUM(cents) AS BIGINT) AS value FROM (SELECT (paid_at - ((paid_at % 86400000000) \
             + 86400000000) % 86400000000) / 86400000000 AS day, COALESCE(tier, '') AS key, \
             CASE WHEN is_disputed THEN 0 ELSE paid_cents - refunded_cents END AS cents \
             FROM invoices WHERE paid_at IS NOT NULL AND currency = 'usd') AS paid GROUP BY day, key"
        }
        RollupName::TotalRevenue => {
            "SELECT CAST(0 AS BIGINT) AS day, COALESCE(tier, '') AS key, \
             CAST(SUM(CASE WHEN is_disputed THEN 0 ELSE paid_cents - refunded_cents END) AS BIGINT) AS value \
             FROM invoices WHERE paid_at IS NOT NULL AND currency = 'usd' GROUP BY COALESCE(tier, '')"
        }
        RollupName::SubscriptionsBegun
        | RollupName::SubscriptionsEnded
        | RollupName::Requests
        | RollupName::Errors
        | RollupName::Limited
        | RollupName::Delivered
        | RollupName::CacheHits
        | RollupName::CacheMisses => return None,
    })
}

/// What a count of everything gives.
fn count(conn: &mut AnyConnection) -> Result<BTreeMap<(i64, RollupName, String), i64>, Failure> {
    let mut counted = BTreeMap::new();
    for name in RollupName::RECOUNTABLE {
        let Some(statement) = counting(name) else { continue };
        let rows: Vec<Count> = diesel::sql_query(statement).load(conn)?;
        counted.extend(rows.into_iter().map(|row| ((row.day, name, row.key), row.value)));
    }
    Ok(counted)
}

fn recount(
    unit: &mut Unit<'_>,
    repaired_at: Option<Timestamp>,
) -> Result<Vec<RollupDifference>, Failure> {
    dialect::hold_rollups(unit.conn)?;
    let mut counted = count(unit.conn)?;
    let names = RollupName::RECOUNTABLE.map(RollupName::as_str);
    let rows: Vec<(i64, String, String, i64)> =
        rollups::table.filter(rollups::name.eq_any(names)).load(unit.conn)?;
    let mut stored = BTreeMap::new();
    for row in rows.into_iter().filter_map(read) {
        let key = (row.day.number(), row.name, row.key);
        // What nothing is counted for is nothing.
        counted.entry(key.clone()).or_insert(0);
        stored.insert(key, row.value);
    }
    let mut differences = Vec::new();
    for ((day, name, key), value) in counted {
        let stored = stored.get(&(day, name, key.clone())).copied().unwrap_or(0);
        if stored == value {
            continue;
        }
        if repaired_at.is_some() {
            dialect::add_rollup(unit.conn, (day, name.as_str(), &key), value - stored)?;
        }
        let counted = Rollup { day: Day::new(day), name, key, value };
        differences.push(RollupDifference { counted, stored });
    }
    if let Some(now) = repaired_at
        && !differences.is_empty()
    {
        let detail = format!("{} sums", differences.len());
        unit.audit(Entry::new(now, Action::FiguresRebuilt).with(detail));
    }
    Ok(differences)
}

#[async_trait]
impl RollupStore for Rollups {
    async fn add(&self, counted: Vec<Counted>) -> Result<()> {
        self.0
            .write("rollups_add", move |unit| {
                for (key, value) in &counted {
                    unit.count(key.clone(), *value);
                }
                Ok(())
            })
            .await
    }

    async fn note_active(&self, ids: Vec<UserId>, day: Day) -> Result<()> {
        self.0
            .write("rollups_note_active", move |unit| {
                let ids = ids.iter().map(ToString::to_string);
                let mut known: Vec<String> = users::table
                    .filter(users::id.eq_any(ids))
                    .filter(users::is_active)
                    .select(users::id)
                    .load(unit.conn)?;
                known.sort_unstable();
                note_active(unit, &known, day)
            })
            .await
    }

    async fn since(&self, first: Day) -> Result<Vec<Rollup>> {
        self.0
            .read("rollups_since", move |conn| {
                let mut rows: Vec<(i64, String, String, i64)> =
                    rollups::table.filter(rollups::day.eq(0)).load(conn)?;
                let days = rollups::table
                    .filter(rollups::day.ge(first.number()))
                    .filter(rollups::day.ne(0));
                rows.extend(days.load::<(i64, String, String, i64)>(conn)?);
                Ok(rows.into_iter().filter_map(read).collect())
            })
            .await
    }

    async fn recount(&self, repaired_at: Option<Timestamp>) -> Result<Vec<RollupDifference>> {
        self.0.write("rollups_recount", move |unit| recount(unit, repaired_at)).await
    }
}
