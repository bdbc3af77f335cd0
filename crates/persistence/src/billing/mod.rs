//! What is kept of payments.

mod comparison;
mod readings;
mod rows;

use alpine_domain::{
    Error, Result, Timestamp,
    account::{ImportedAccount, Tier, UserId},
    billing::{
        Applied, BillingRecord, BillingStore, Compared, InvoicePage, Paying, Reading, ReceivedEvent,
    },
    retention::PAYMENT_EVENTS_KEPT,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    SelectableHelper as _, dsl::insert_into,
};

use self::rows::{InvoiceRow, SubscriptionRow};
use crate::{
    AnyConnection, Database, Failure,
    accounts::user_rows::{held_user, no_account},
    database::Unit,
    dialect,
    rows::stored,
    schema::{invoices, payment_events, subscriptions, users},
};

/// The payments of one database.
#[derive(Clone)]
pub struct Billing(Database);

impl Billing {
    /// What is kept of payments in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

/// What is kept of a customer, with the user's id and the provider's.
type CustomerRow = (SubscriptionRow, String, Option<String>);

fn records(rows: Vec<CustomerRow>) -> Result<Vec<BillingRecord>> {
    let read = |(row, user, customer): CustomerRow| {
        row.record(stored("users.id", &user)?, customer.unwrap_or_default())
    };
    rows.into_iter().map(read).collect()
}

/// The provider's id of a user, if the user is a customer.
fn customer(conn: &mut AnyConnection, user: UserId) -> Result<Option<String>, Failure> {
    let id = users::table.find(user.to_string()).select(users::stripe_customer_id);
    Ok(id.first::<Option<String>>(conn).optional()?.flatten())
}

fn record(conn: &mut AnyConnection, user: UserId) -> Result<Option<BillingRecord>, Failure> {
    let Some(customer) = customer(conn, user)? else { return Ok(None) };
    let row: Option<SubscriptionRow> = subscriptions::table
        .find(user.to_string())
        .select(SubscriptionRow::as_select())
        .first(conn)
        .optional()?;
    let unread = || BillingRecord {
        user,
        customer: customer.clone(),
        subscription: None,
        subscribed: None,
        given: None,
        problem: None,
        read_at: None,
        differs_since: None,
    };
    Ok(Some(match row {
        Some(row) => row.record(user, customer)?,
        None => unread(),
    }))
}

/// A row for this user, if there is none.
fn ensure_row(conn: &mut AnyConnection, user: UserId) -> Result<(), Failure> {
    let id = user.to_string();
    let row = subscriptions::table.find(&id).select(subscriptions::user_id);
    if row.first::<String>(conn).optional()?.is_none() {
        insert_into(subscriptions::table)
            .values((subscriptions::user_id.eq(&id), subscriptions::is_ending.eq(false)))
            .execute(conn)?;
    }
    Ok(())
}

fn link(
    unit: &mut Unit<'_>,
    user: UserId,
    customer_id: &str,
    recheck_at: Timestamp,
    now: Timestamp,
) -> Result<String, Failure> {
    // Held, so that of two at once the second finds what the first one stored.
    let held = held_user(unit.conn, &user.to_string())?.ok_or_else(no_account)?;
    if held.is_deleted(user) {
        return Err(no_account());
    }
    let linked = customer(unit.conn, user)?;
    if linked.is_none() {
        let stored = diesel::update(users::table.find(user.to_string()))
            .set((users::stripe_customer_id.eq(customer_id), users::updated_at.eq(now.micros())));
        stored.execute(unit.conn)?;
    }
    ensure_row(unit.conn, user)?;
    look_at(unit.conn, user, recheck_at)?;
    Ok(linked.unwrap_or_else(|| customer_id.to_owned()))
}

/// The state is read at this instant, if not sooner.
fn look_at(conn: &mut AnyConnection, user: UserId, at: Timestamp) -> Result<(), Failure> {
    let id = user.to_string();
    let row = subscriptions::table.find(&id).select(subscriptions::recheck_at);
    let set: Option<Option<i64>> = row.first(conn).optional()?;
    let is_sooner = set.flatten().is_some_and(|set| set <= at.micros());
    if !is_sooner {
        diesel::update(subscriptions::table.find(&id))
            .set(subscriptions::recheck_at.eq(at.micros()))
            .execute(conn)?;
    }
    Ok(())
}

/// A customer of before: what payment gave there is believed until its state was read, which is due at once.
pub(crate) fn import(
    unit: &mut Unit<'_>,
    account: &ImportedAccount,
    now: Timestamp,
) -> Result<(), Failure> {
    let given = Some(account.tier).filter(|tier| *tier != Tier::Free);
    insert_into(subscriptions::table)
        .values((
            subscriptions::user_id.eq(account.id.to_string()),
            subscriptions::is_ending.eq(false),
            subscriptions::subscribed.eq(given.map(Tier::as_str)),
            subscriptions::given.eq(given.map(Tier::as_str)),
            subscriptions::recheck_at.eq(now.micros()),
            subscriptions::listed_at.eq(now.micros()),
        ))
        .execute(unit.conn)?;
    unit.count_all(Paying::new(given, None).taken_over(now));
    Ok(())
}

/// Forgets events that nobody sends again, `most` at most.
pub(crate) fn delete_old_events(
    conn: &mut AnyConnection,
    now: Timestamp,
    from: &mut Timestamp,
    most: i64,
) -> Result<u64, Failure> {
    let old: Vec<(String, i64)> = payment_events::table
        .filter(payment_events::received_at.ge(from.micros()))
        .filter(payment_events::received_at.lt(now.earlier(PAYMENT_EVENTS_KEPT).micros()))
        .order(payment_events::received_at.asc())
        .limit(most)
        .select((payment_events::id, payment_events::received_at))
        .load(conn)?;
    let ids = old.iter().map(|(id, _)| id.as_str());
    let gone = payment_events::table.filter(payment_events::id.eq_any(ids));
    let deleted = diesel::delete(gone).execute(conn)? as u64;
    *from = old.last().map_or(*from, |(_, at)| Timestamp::from_micros(*at));
    Ok(deleted)
}

/// Forgets where the invoices of a person can be read, and what the person pays for; the amounts are the business's
/// own record.
pub(crate) fn erase(unit: &mut Unit<'_>, id: &str, now: Timestamp) -> Result<(), Failure> {
    let row: Option<SubscriptionRow> = subscriptions::table
        .find(id)
        .select(SubscriptionRow::as_select())
        .first(unit.conn)
        .optional()?;
    if let Some(row) = row {
        unit.count_all(row.paying()?.becomes(Paying::default(), now));
    }
    let conn = &mut *unit.conn;
    diesel::update(invoices::table.filter(invoices::user_id.eq(id)))
        .set((invoices::url.eq(None::<String>), invoices::pdf.eq(None::<String>)))
        .execute(conn)?;
    diesel::delete(subscriptions::table.find(id)).execute(conn)?;
    Ok(())
}

#[async_trait]
impl BillingStore for Billing {
    async fn record(&self, user: UserId) -> Result<Option<BillingRecord>> {
        self.0.read("billing_record", move |conn| record(conn, user)).await
    }

    async fn user_of(&self, customer: &str) -> Result<Option<UserId>> {
        let customer = customer.to_owned();
        self.0
            .read("billing_user_of", move |conn| {
                let id: Option<String> = users::table
                    .filter(users::stripe_customer_id.eq(&customer))
                    .select(users::id)
                    .first(conn)
                    .optional()?;
                Ok(id.map(|id| stored("users.id", &id)).transpose()?)
            })
            .await
    }

    async fn link(
        &self,
        user: UserId,
        customer: &str,
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<String> {
        let customer = customer.to_owned();
        self.0.write("billing_link", move |unit| link(unit, user, &customer, recheck_at, now)).await
    }

    async fn unlink(&self, user: UserId, customer: &str, now: Timestamp) -> Result<()> {
        let customer = customer.to_owned();
        self.0
            .write("billing_unlink", move |unit| {
                let linked = users::table
                    .filter(users::id.eq(user.to_string()))
                    .filter(users::stripe_customer_id.eq(&customer));
                diesel::update(linked)
                    .set((
                        users::stripe_customer_id.eq(None::<String>),
                        users::updated_at.eq(now.micros()),
                    ))
                    .execute(unit.conn)?;
                Ok(())
            })
            .await
    }

    async fn recheck(&self, user: UserId, at: Timestamp) -> Result<()> {
        self.0.write("billing_recheck", move |unit| look_at(unit.conn, user, at)).await
    }

    async fn receive(&self, event: ReceivedEvent) -> Result<bool> {
        self.0
            .write("billing_receive", move |unit| {
                let ReceivedEvent { id, kind, now, job } = &event;
                let is_new = dialect::insert_new_payment_event(unit.conn, id, kind, *now)?;
                if let Some(job) = job.as_ref().filter(|_| is_new) {
                    unit.enqueue(job)?;
                }
                Ok(is_new)
            })
            .await
    }

    async fn begin_reading(&self, user: UserId) -> Result<i64> {
        self.0
            .write("billing_begin_reading", move |unit| {
                if customer(unit.conn, user)?.is_none() {
                    return Err(Error::NotFound("customer").into());
                }
                held_user(unit.conn, &user.to_string())?.ok_or_else(no_account)?;
                ensure_row(unit.conn, user)?;
                let number = diesel::update(subscriptions::table.find(user.to_string()))
                    .set(subscriptions::readings.eq(subscriptions::readings + 1_i64))
                    .returning(subscriptions::readings)
                    .get_result(unit.conn)?;
                Ok(number)
            })
            .await
    }

    async fn apply(&self, reading: Reading) -> Result<Applied> {
        self.0.write("billing_apply", move |unit| readings::apply(unit, &reading)).await
    }

    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32> {
        // Most of the time nothing is due, and SQLite has one writer.
        if !self.0.read("billing_look", move |conn| comparison::is_any_due(conn, now)).await? {
            return Ok(0);
        }
        self.0.write("billing_due", move |unit| comparison::due(unit, now, again, limit)).await
    }

    async fn compare(&self, listed: Vec<Compared>, now: Timestamp) -> Result<u32> {
        self.0.write("billing_compare", move |unit| comparison::compare(unit, &listed, now)).await
    }

    async fn unlisted(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<u32> {
        self.0
            .write("billing_unlisted", move |unit| comparison::unlisted(unit, since, now, limit))
            .await
    }

    async fn differing(&self, limit: u32) -> Result<Vec<BillingRecord>> {
        self.0
            .read("billing_differing", move |conn| {
                let rows: Vec<CustomerRow> = subscriptions::table
                    .inner_join(users::table)
                    .filter(subscriptions::attention_since.is_not_null())
                    .order(subscriptions::attention_since.asc())
                    .limit(i64::from(limit))
                    .select((SubscriptionRow::as_select(), users::id, users::stripe_customer_id))
                    .load(conn)?;
                Ok(records(rows)?)
            })
            .await
    }

    async fn paying(&self, after: Option<UserId>, limit: u32) -> Result<Vec<BillingRecord>> {
        self.0
            .read("billing_paying", move |conn| {
                let after = after.map(|user| user.to_string()).unwrap_or_default();
                let rows: Vec<CustomerRow> = subscriptions::table
                    .inner_join(users::table)
                    .filter(subscriptions::given.is_not_null())
                    .filter(subscriptions::user_id.gt(after))
                    .order(subscriptions::user_id.asc())
                    .limit(i64::from(limit))
                    .select((SubscriptionRow::as_select(), users::id, users::stripe_customer_id))
                    .load(conn)?;
                Ok(records(rows)?)
            })
            .await
    }

    async fn invoices(&self, user: UserId, before: Option<i64>, limit: u32) -> Result<InvoicePage> {
        self.0
            .read("billing_invoices", move |conn| {
                let mut rows: Vec<InvoiceRow> = invoices::table
                    .filter(invoices::user_id.eq(user.to_string()))
                    .filter(invoices::id.lt(before.unwrap_or(i64::MAX)))
                    .order(invoices::id.desc())
                    .limit(i64::from(limit) + 1)
                    .select(InvoiceRow::as_select())
                    .load(conn)?;
                let has_more = rows.len() > limit as usize;
                rows.truncate(limit as usize);
                let invoices = rows.into_iter().map(InvoiceRow::invoice).collect::<Result<_>>()?;
                Ok(InvoicePage { invoices, has_more })
            })
            .await
    }
}
