//! A reading of the provider's state is kept, and the account follows it.

use alpine_domain::{
    Error, Timestamp,
    account::{Tier, UserId},
    audit::tier_and_role_changed,
    billing::{Applied, CurrentSubscription, Paying, Reading, revenue},
    event::Event,
    notification::NewNotification,
    ports::payments::ProviderInvoice,
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    SelectableHelper as _, dsl::insert_into,
};

use super::rows::{InvoiceRow, SubscriptionRow};
use crate::{
    AnyConnection, Failure,
    accounts::{
        tiers,
        user_rows::{held_user, no_account, written},
    },
    database::Unit,
    rows::{UserRow, stored_option},
    schema::{invoices, subscriptions, users},
};

/// The user's row is held first, as by everybody who writes of a user.
pub(super) fn apply(unit: &mut Unit<'_>, reading: &Reading) -> Result<Applied, Failure> {
    let id = reading.user.to_string();
    let held = held_user(unit.conn, &id)?.ok_or_else(no_account)?;
    let row: Option<SubscriptionRow> = subscriptions::table
        .find(&id)
        .select(SubscriptionRow::as_select())
        .first(unit.conn)
        .optional()?;
    let row = row.ok_or(Error::NotFound("customer"))?;
    if row.applied >= reading.number {
        return Ok(Applied::Outdated);
    }
    keep_state(unit.conn, reading, &row)?;
    if row.begins_to_owe(reading.subscription.as_ref()) {
        unit.notify(&NewNotification::payment_failed(reading.user, reading.now))?;
    }
    keep_invoices(unit, reading)?;
    let after = Paying::new(reading.entitlement.granted, reading.subscription.as_ref());
    unit.count_all(row.paying()?.becomes(after, reading.now));
    let given = stored_option::<Tier>("subscriptions.given", row.given.as_deref())?;
    let granted = reading.entitlement.granted;
    if given == granted {
        return Ok(Applied::Same);
    }
    give(unit, &held, granted.unwrap_or(Tier::Free), reading.now)
}

fn keep_state(
    conn: &mut AnyConnection,
    reading: &Reading,
    row: &SubscriptionRow,
) -> Result<(), Failure> {
    let Reading { user, number, entitlement, subscription, now, .. } = reading;
    let word = |tier: Option<Tier>| tier.map(Tier::as_str);
    let found = subscription.as_ref();
    let since = row.attention_since.unwrap_or(now.micros());
    let of = |read: fn(&CurrentSubscription) -> Option<i64>| found.and_then(read);
    diesel::update(subscriptions::table.find(user.to_string()))
        .set((
            subscriptions::subscription_id.eq(found.map(|it| it.id.as_str())),
            subscriptions::item_id.eq(found.map(|it| it.item.as_str())),
            subscriptions::status.eq(found.map(|it| it.status.as_str())),
            subscriptions::tier.eq(word(found.and_then(|it| it.tier))),
            subscriptions::paid_every.eq(found.and_then(|it| Some(it.interval?.as_str()))),
            subscriptions::cents.eq(of(|it| it.cents)),
            subscriptions::period_end.eq(of(|it| Some(it.period_end.micros()))),
            subscriptions::is_ending.eq(found.is_some_and(|it| it.is_ending)),
            subscriptions::trial_end.eq(of(|it| Some(it.trial_end?.micros()))),
            subscriptions::subscribed.eq(word(entitlement.subscribed)),
            subscriptions::given.eq(word(entitlement.granted)),
            subscriptions::problem.eq(&entitlement.problem),
            subscriptions::applied.eq(number),
            subscriptions::read_at.eq(now.micros()),
            subscriptions::recheck_at.eq(entitlement.recheck_at.map(Timestamp::micros)),
            subscriptions::listed_at.eq(now.micros()),
            subscriptions::attention_since.eq(entitlement.problem.as_ref().map(|_| since)),
        ))
        .execute(conn)?;
    Ok(())
}

fn give(
    unit: &mut Unit<'_>,
    held: &UserRow,
    tier: Tier,
    now: Timestamp,
) -> Result<Applied, Failure> {
    let old = written(unit.conn, held)?;
    if old.tier == tier {
        return Ok(Applied::Same);
    }
    diesel::update(users::table.find(old.id.to_string()))
        .set((users::tier.eq(tier.as_str()), users::updated_at.eq(now.micros())))
        .execute(unit.conn)?;
    for entry in tier_and_role_changed(&old, tier, old.role, now) {
        unit.audit(entry.because(Some("payment".to_owned())));
    }
    tiers::changed(unit, &old, tier, now)?;
    unit.log(now, Event::AccountChanged { user: old.id });
    Ok(Applied::Changed { from: old.tier, to: tier })
}

/// They are few: what one reading brings. What they bring is counted.
fn keep_invoices(unit: &mut Unit<'_>, reading: &Reading) -> Result<(), Failure> {
    let ids: Vec<&str> = reading.invoices.iter().map(|(it, _)| it.id.as_str()).collect();
    let kept: Vec<InvoiceRow> = invoices::table
        .filter(invoices::provider_id.eq_any(&ids))
        .select(InvoiceRow::as_select())
        .load(unit.conn)?;
    let mut known = Vec::with_capacity(kept.len());
    for row in kept {
        let tier = stored_option::<Tier>("invoices.tier", row.tier.as_deref())?;
        known.push((row.invoice()?, tier));
    }
    let mut told: Vec<&(ProviderInvoice, Option<Tier>)> = reading.invoices.iter().collect();
    told.sort_by_key(|(it, _)| it.created_at);
    for (invoice, tier) in told {
        let changes = match known.iter().find(|(it, _)| it.invoice.id == invoice.id) {
            Some((it, _)) if it.invoice == *invoice => continue,
            Some((it, tier)) => {
                diesel::update(invoices::table.find(it.row))
                    .set(values(invoice))
                    .execute(unit.conn)?;
                revenue(Some(&it.invoice), invoice, *tier)
            }
            None => {
                insert(unit.conn, reading.user, invoice, *tier)?;
                revenue(None, invoice, *tier)
            }
        };
        unit.count_all(changes);
    }
    Ok(())
}

fn insert(
    conn: &mut AnyConnection,
    user: UserId,
    invoice: &ProviderInvoice,
    tier: Option<Tier>,
) -> Result<(), Failure> {
    let whose = (
        invoices::provider_id.eq(&invoice.id),
        invoices::user_id.eq(user.to_string()),
        invoices::tier.eq(tier.map(Tier::as_str)),
        invoices::created_at.eq(invoice.created_at.micros()),
    );
    insert_into(invoices::table).values((whose, values(invoice))).execute(conn)?;
    Ok(())
}

/// What of an invoice may change.
#[diesel::dsl::auto_type(no_type_alias)]
fn values(it: &ProviderInvoice) -> _ {
    let paid_at: Option<i64> = it.paid_at.map(Timestamp::micros);
    let number: Option<&str> = it.number.as_deref();
    let subscription: Option<&str> = it.subscription.as_deref();
    let (url, pdf): (Option<&str>, Option<&str>) = (it.url.as_deref(), it.pdf.as_deref());
    let (status, currency): (&str, &str) = (&it.status, &it.currency);
    let (due, paid, refunded): (i64, i64, i64) = (it.due_cents, it.paid_cents, it.refunded_cents);
    let is_disputed: bool = it.is_disputed;
    (
        invoices::number.eq(number),
        invoices::subscription_id.eq(subscription),
        invoices::status.eq(status),
        invoices::due_cents.eq(due),
        invoices::paid_cents.eq(paid),
        invoices::refunded_cents.eq(refunded),
        invoices::is_disputed.eq(is_disputed),
        invoices::currency.eq(currency),
        invoices::paid_at.eq(paid_at),
        invoices::url.eq(url),
        invoices::pdf.eq(pdf),
    )
}
