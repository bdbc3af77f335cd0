//! From what the provider says to what a customer may see.

use std::time::Duration;

use super::prices::PriceList;
use crate::{
    Timestamp,
    account::Tier,
    ports::payments::{CustomerState, ProviderInvoice, ProviderSubscription, SubscriptionStatus},
};

/// What follows from a customer's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entitlement {
    /// What the subscriptions by themselves are good for; `None`: nothing.
    pub subscribed: Option<Tier>,
    /// The same, without what was given back or taken back: this is what the customer gets.
    pub granted: Option<Tier>,
    /// When to look again, though nothing is heard.
    pub recheck_at: Option<Timestamp>,
    /// The subscription that counts, or the newest one that has ended, by its place among the customer's.
    pub current: Option<usize>,
    /// What the owner should look at.
    pub problem: Option<String>,
}

/// The provider needs a moment to begin the next period.
const ROLLOVER: Duration = Duration::from_mins(1);

/// What the provider says of a period that is over is asked for again so much later.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a customer in this state is entitled to at `now`. It depends on nothing else, so whoever reads the same state comes
/// to the same end, whatever was heard before.
pub fn entitlement(
    state: &CustomerState,
    prices: &PriceList,
    grace: Duration,
    now: Timestamp,
) -> Entitlement {
    let mut found = Entitlement::default();
    let (mut live, mut best) = (0, None);
    for (place, subscription) in state.subscriptions.iter().enumerate() {
        let Some(until) = good_until(subscription, grace, now) else { continue };
        match prices.tier_of(subscription) {
            Ok(tier) => {
                live += 1;
                let granted = (!is_reversed(state, subscription)).then_some(tier);
                found.subscribed = found.subscribed.max(Some(tier));
                found.granted = found.granted.max(granted);
                // What gives something counts before what would.
                if best.is_none_or(|it| (granted, Some(tier)) > it) {
                    best = Some((granted, Some(tier)));
                    found.current = Some(place);
                }
                let sooner = found.recheck_at.map_or(until, |at| at.min(until));
                found.recheck_at = Some(sooner);
            }
            Err(problem) => found.problem = Some(problem),
        }
    }
    if live > 1 {
        found.problem = Some(format!("{live} subscriptions are paid for at once"));
    }
    // What may still be charged comes before what has ended, and the newest tells what there was.
    let newest = || {
        let all = state.subscriptions.iter().enumerate();
        let last = all.max_by_key(|(_, it)| (!it.status.has_ended(), it.period_start));
        last.map(|(place, _)| place)
    };
    found.current = found.current.or_else(newest);
    found
}

/// When a subscription that is good at `now` has to be looked at again; `None` if it is not good.
fn good_until(it: &ProviderSubscription, grace: Duration, now: Timestamp) -> Option<Timestamp> {
    match it.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing => {
            let is_over = now >= it.period_end;
            if it.is_ending && is_over {
                return None;
            }
            Some(if is_over { now.later(PATIENCE) } else { it.period_end.later(ROLLOVER) })
        }
        SubscriptionStatus::PastDue => {
            let end = it.period_start.later(grace);
            (now < end).then_some(end)
        }
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Canceled
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused => None,
    }
}

/// Whether more than the half of what was paid for the current period went back, or a part of it is disputed. A change of
/// the price within a period is an invoice of its own.
fn is_reversed(state: &CustomerState, subscription: &ProviderSubscription) -> bool {
    let paid: Vec<_> = state
        .invoices
        .iter()
        .filter(|it| it.subscription.as_ref() == Some(&subscription.id) && it.paid_cents > 0)
        .filter(|it| it.created_at >= subscription.period_start)
        .collect();
    let sum = |of: fn(&ProviderInvoice) -> i64| paid.iter().map(|it| of(it)).sum::<i64>();
    let (all, back) = (sum(|it| it.paid_cents), sum(|it| it.refunded_cents));
    paid.iter().any(|it| it.is_disputed) || 2 * back > all
}
