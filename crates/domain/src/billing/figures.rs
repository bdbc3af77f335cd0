//! What payments add to the sums that the owner reads: exact, in US cents.

use super::{BillingInterval, CurrentSubscription, prices::CURRENCY};
use crate::{
    Timestamp,
    account::Tier,
    analytics::{Counted, Day, RollupKey, RollupName},
    ports::payments::ProviderInvoice,
};

/// What a customer counts as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paying {
    /// What payment gave, and did not take back.
    pub given: Option<Tier>,
    /// US cents a month; nothing for whom payment gave nothing.
    pub monthly_cents: i64,
}

impl Paying {
    /// A customer to whom payment gave this, by this subscription. A year counts as twelve months, half a cent as one.
    /// Where it is not known how often is paid, it is monthly.
    pub fn new(given: Option<Tier>, subscription: Option<&CurrentSubscription>) -> Self {
        let cents = |it: &CurrentSubscription| match (it.interval, it.cents) {
            (Some(BillingInterval::Year), Some(cents)) => (cents + 6) / 12,
            (_, cents) => cents.unwrap_or(0),
        };
        let monthly_cents = given.and(subscription).map_or(0, cents);
        Self { given, monthly_cents }
    }

    /// What is added for a customer who paid before there were these sums: nothing begins now.
    pub fn taken_over(self, now: Timestamp) -> Vec<Counted> {
        let mut changes = Self::default().becomes(self, now);
        changes.retain(|(key, _)| key.name != RollupName::SubscriptionsBegun);
        changes
    }

    /// What changes in the sums when a customer counts as `after` instead, from `now` on.
    pub fn becomes(self, after: Self, now: Timestamp) -> Vec<Counted> {
        let (state, today) = (Day::new(0), Day::of(now));
        let mut changes = Vec::new();
        for (tier, value) in [(self.given, -1), (after.given, 1)] {
            let key = |tier: Tier| RollupKey::tier(RollupName::Subscribers, state, Some(tier));
            changes.extend(tier.map(|tier| (key(tier), value)));
        }
        let more = after.monthly_cents - self.monthly_cents;
        changes.push((RollupKey::of(RollupName::MonthlyRevenue, state), more));
        match (self.given, after.given) {
            (None, Some(_)) => {
                changes.push((RollupKey::of(RollupName::SubscriptionsBegun, today), 1));
            }
            (Some(_), None) => {
                changes.push((RollupKey::of(RollupName::SubscriptionsEnded, today), 1));
            }
            _ => {}
        }
        changes.retain(|(_, value)| *value != 0);
        changes
    }
}

/// What an invoice brought: what was paid less what went back, and nothing while it is disputed. `None` for one that was
/// not paid, or in another currency.
fn brought(invoice: &ProviderInvoice) -> Option<(Day, i64)> {
    if invoice.currency != CURRENCY {
        return None;
    }
    let net = invoice.paid_cents - invoice.refunded_cents;
    let paid = Day::of(invoice.paid_at?);
    Some((paid, if invoice.is_disputed { 0 } else { net }))
}

/// What changes in the sums when an invoice for `tier` is kept as `after`.
pub fn revenue(
    before: Option<&ProviderInvoice>,
    after: &ProviderInvoice,
    tier: Option<Tier>,
) -> Vec<Counted> {
    let mut changes = Vec::new();
    for (invoice, sign) in before.map(|it| (it, -1)).into_iter().chain([(after, 1)]) {
        let Some((day, cents)) = brought(invoice) else { continue };
        let of = |name, day| RollupKey::tier(name, day, tier);
        changes.push((of(RollupName::Revenue, day), sign * cents));
        changes.push((of(RollupName::TotalRevenue, Day::new(0)), sign * cents));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(interval: Option<BillingInterval>, cents: Option<i64>) -> CurrentSubscription {
        CurrentSubscription {
            id: "sub_1".to_owned(),
            item: "si_1".to_owned(),
            status: crate::ports::payments::SubscriptionStatus::Active,
            tier: None,
            interval,
            cents,
            period_end: Timestamp::MAX,
            is_ending: false,
            trial_end: None,
        }
    }

    #[test]
    fn a_year_is_twelve_months_and_nothing_given_is_nothing() {
        let of =
            |given, interval, cents| Paying::new(given, Some(&sub(interval, cents))).monthly_cents;
        let (year, month) = (Some(BillingInterval::Year), Some(BillingInterval::Month));
        let pro = Some(Tier::Pro);
        assert_eq!(of(pro, month, Some(9_900)), 9_900);
        assert_eq!(of(pro, year, Some(99_000)), 8_250);
        assert_eq!((of(pro, year, Some(5)), of(pro, year, Some(6))), (0, 1));
        assert_eq!((of(pro, None, Some(100)), of(pro, month, None)), (100, 0));
        assert_eq!(of(None, month, Some(9_900)), 0);
        assert_eq!(Paying::new(pro, None).monthly_cents, 0);
    }

    #[test]
    fn a_change_moves_what_it_changes() {
        let now = Timestamp::from_seconds(2 * 86_400);
        let at = |given, monthly_cents| Paying { given, monthly_cents };
        let told = |before: Paying, after: Paying| {
            let changes = before.becomes(after, now).into_iter();
            changes
                .map(|(key, value)| {
                    format!("{} {} {} {value}", key.day.number(), key.name, key.key)
                })
                .collect::<Vec<_>>()
        };
        let (none, pro, elite) =
            (Paying::default(), at(Some(Tier::Pro), 5), at(Some(Tier::Elite), 9));
        assert_eq!(
            told(none, pro),
            ["0 subscribers pro 1", "0 monthly_revenue  5", "2 subscriptions_begun  1"]
        );
        assert_eq!(
            told(pro, elite),
            ["0 subscribers pro -1", "0 subscribers elite 1", "0 monthly_revenue  4"]
        );
        assert_eq!(
            told(elite, none),
            ["0 subscribers elite -1", "0 monthly_revenue  -9", "2 subscriptions_ended  1"]
        );
        assert_eq!(told(none, none), [""; 0]);
    }
}
