//! Whose state is to be read anew: it is due, or the provider says something else.

use std::collections::{BTreeMap, BTreeSet};

use alpine_domain::{
    Timestamp,
    account::Tier,
    billing::Compared,
    jobs::{Job, NewJob},
};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, select},
};

use crate::{
    AnyConnection, Failure,
    database::Unit,
    schema::{subscriptions, users},
};

/// Has a customer's state read. One reading that is pending is enough: what it misses is found the next time.
fn read(unit: &mut Unit<'_>, why: &str, customer: &str, now: Timestamp) -> Result<(), Failure> {
    let job = Job::PaymentsChanged { customer: customer.to_owned() };
    unit.enqueue(&NewJob::new(job, now).once_for(format!("payments_{why}:{customer}")))?;
    Ok(())
}

pub(super) fn is_any_due(conn: &mut AnyConnection, now: Timestamp) -> Result<bool, Failure> {
    let due = subscriptions::table.filter(subscriptions::recheck_at.le(now.micros()));
    Ok(select(exists(due)).get_result(conn)?)
}

pub(super) fn due(
    unit: &mut Unit<'_>,
    now: Timestamp,
    again: Timestamp,
    limit: u32,
) -> Result<u32, Failure> {
    let rows: Vec<(String, Option<String>)> = subscriptions::table
        .inner_join(users::table)
        .filter(subscriptions::recheck_at.le(now.micros()))
        .order(subscriptions::recheck_at.asc())
        .limit(i64::from(limit))
        .select((users::id, users::stripe_customer_id))
        .load(unit.conn)?;
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    // Who is no customer any more has nothing that could be read.
    diesel::update(subscriptions::table.filter(subscriptions::user_id.eq_any(&ids)))
        .set(subscriptions::recheck_at.eq(again.micros()))
        .execute(unit.conn)?;
    for customer in rows.iter().filter_map(|(_, customer)| customer.as_deref()) {
        read(unit, "due", customer, now)?;
    }
    Ok(count(rows.len()))
}

pub(super) fn compare(
    unit: &mut Unit<'_>,
    listed: &[Compared],
    now: Timestamp,
) -> Result<u32, Failure> {
    let customers: Vec<&str> = listed.iter().map(|it| it.customer.as_str()).collect();
    let rows: Vec<(Option<String>, String, Option<String>)> = users::table
        .left_join(subscriptions::table)
        .filter(users::stripe_customer_id.eq_any(&customers))
        .select((users::stripe_customer_id, users::id, subscriptions::subscribed.nullable()))
        .load(unit.conn)?;
    let known: Vec<&str> = rows.iter().map(|(_, id, _)| id.as_str()).collect();
    diesel::update(subscriptions::table.filter(subscriptions::user_id.eq_any(&known)))
        .set(subscriptions::listed_at.eq(now.micros()))
        .execute(unit.conn)?;
    let kept: BTreeMap<&str, (&str, Option<&str>)> = rows
        .iter()
        .filter_map(|(customer, id, tier)| {
            Some((customer.as_deref()?, (id.as_str(), tier.as_deref())))
        })
        .collect();
    let (mut differing, mut users_of) = (0, BTreeSet::new());
    for Compared { customer, subscribed } in listed {
        let found = kept.get(customer.as_str());
        if found.and_then(|(_, tier)| *tier) == subscribed.map(Tier::as_str) {
            continue;
        }
        differing += 1;
        users_of.extend(found.map(|(id, _)| *id));
        read(unit, "compared", customer, now)?;
    }
    attend(unit.conn, &users_of.into_iter().collect::<Vec<_>>(), now)?;
    Ok(differing)
}

pub(super) fn unlisted(
    unit: &mut Unit<'_>,
    since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<u32, Failure> {
    let rows: Vec<(String, Option<String>)> = subscriptions::table
        .inner_join(users::table)
        .filter(subscriptions::given.is_not_null())
        .filter(subscriptions::listed_at.lt(since.micros()))
        .order(subscriptions::listed_at.asc())
        .limit(i64::from(limit))
        .select((users::id, users::stripe_customer_id))
        .load(unit.conn)?;
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    attend(unit.conn, &ids, now)?;
    for customer in rows.iter().filter_map(|(_, customer)| customer.as_deref()) {
        read(unit, "compared", customer, now)?;
    }
    Ok(count(rows.len()))
}

/// From now on the owner sees these, until their state was read, and those who are seen already as long as before.
fn attend(conn: &mut AnyConnection, ids: &[&str], now: Timestamp) -> Result<(), Failure> {
    let new = subscriptions::table
        .filter(subscriptions::user_id.eq_any(ids))
        .filter(subscriptions::attention_since.is_null());
    diesel::update(new).set(subscriptions::attention_since.eq(now.micros())).execute(conn)?;
    Ok(())
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
