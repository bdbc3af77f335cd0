//! Access follows payment, whatever is heard of it and in whatever order.

use std::time::Duration;

use alpine_domain::{
    Clock as _, Error, Timestamp,
    account::{Tier, UserId},
    audit::{Action, AuditFilter, AuditQuery, Party},
    billing::{BillingInterval, SweepStep, Upgraded, entitlement},
    error::ConflictKind,
    jobs::{Job, RunJob as _},
    ports::{
        payments::{
            CustomerState, EventSubject, PaymentProvider as _, ProviderInvoice, ProviderPrice,
            SubscriptionStatus,
        },
        secrets::HashPriority,
    },
};
use proptest::prelude::*;

use crate::{
    payments::{MONTH, billing_settings},
    support::{DAY, PASSWORD, World, now},
};

const MINUTE: Duration = Duration::from_mins(1);

impl World {
    fn customer(&self, email: &str) -> (UserId, String) {
        let user = self.sign_up(email).account.id;
        let customer = self.upgrade(user, Tier::Pro);
        (user, customer)
    }

    /// Begins a checkout; the customer.
    fn upgrade(&self, user: UserId, tier: Tier) -> String {
        let cases = &self.cases.subscriptions;
        now(cases.upgrade(user, tier, BillingInterval::Month, None)).unwrap();
        now(self.stores.billing.record(user)).unwrap().unwrap().customer
    }

    fn tier(&self, user: UserId) -> Tier {
        self.state(user).tier
    }

    /// An event that concerns a customer, or a charge.
    fn hear(&self, id: &str, subject: &str) -> bool {
        let body = format!("{id} {subject}");
        now(self.cases.payments.receive("good", body.as_bytes())).unwrap().is_new
    }

    /// Everything that is due is done; what cannot be is left.
    pub(crate) fn work_off(&self) {
        for _ in 0..200 {
            let held = self.claim();
            if held.is_empty() {
                return;
            }
            for held in held {
                if now(self.cases.jobs.run(&held.job)).is_ok() {
                    now(self.stores.jobs.finish(&held)).unwrap();
                } else {
                    let later = self.clock.now().later(MINUTE);
                    now(self.stores.jobs.retry(&held, later, "away")).unwrap();
                }
            }
        }
        panic!("it never ends");
    }

    /// The comparison that is made every half hour.
    fn sweep(&self) {
        now(self.cases.payments.begin_sweep()).unwrap();
        self.work_off();
    }

    fn differing(&self) -> usize {
        now(self.stores.billing.differing(10)).unwrap().len()
    }
}

fn conflict(result: alpine_domain::Result<impl std::fmt::Debug>) -> ConflictKind {
    match result.unwrap_err() {
        Error::Conflict(conflict) => conflict.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_pays_has_the_tier_and_who_stops_loses_it() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    assert_eq!(world.tier(user), Tier::Free, "nothing is paid yet");
    let subscription = world.payments.subscribe(&customer, "pro_month");
    assert!(world.hear("evt_1", &customer));
    world.work_off();
    assert_eq!(world.tier(user), Tier::Pro);
    let plan = now(world.cases.subscriptions.plan(user)).unwrap();
    let current = plan.record.unwrap().subscription.unwrap();
    assert_eq!((current.cents, current.tier), (Some(9_900), Some(Tier::Pro)));
    assert_eq!(current.interval, Some(BillingInterval::Month));
    assert!(!world.hear("evt_1", &customer), "the same again");

    let ended = now(world.cases.subscriptions.set_ending(user, true)).unwrap();
    assert!(ended.is_ending);
    assert_eq!(world.tier(user), Tier::Pro, "until the period is over");
    world.payments.change(&subscription, |it| it.status = SubscriptionStatus::Canceled);
    assert!(world.hear("evt_2", &customer));
    world.work_off();
    assert_eq!(world.tier(user), Tier::Free);

    let filter = AuditFilter::Subject(Party::User(user));
    let query = AuditQuery { filter, since: None, until: None, after: None, limit: 10 };
    let lines = now(world.stores.audit.page(query)).unwrap();
    let tiers: Vec<_> = lines
        .iter()
        .filter(|line| line.line.action == Action::TierChanged)
        .map(|line| (line.line.detail.as_deref().unwrap(), line.line.reason.as_deref().unwrap()))
        .collect();
    assert_eq!(tiers, [("pro -> free", "payment"), ("free -> pro", "payment")]);
}

#[test]
fn a_lost_event_costs_a_payer_minutes_and_a_lost_cancellation_gives_nothing_away() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    let subscription = world.payments.subscribe(&customer, "pro_month");
    // A checkout that was begun is looked at after two minutes.
    world.at(2 * MINUTE);
    now(world.cases.payments.recheck()).unwrap();
    world.work_off();
    assert_eq!(world.tier(user), Tier::Pro);

    world.payments.change(&subscription, |it| it.is_ending = true);
    world.at(MONTH);
    now(world.cases.payments.recheck()).unwrap();
    world.work_off();
    assert_eq!(world.tier(user), Tier::Pro, "the provider needs a moment");
    world.at(MONTH + MINUTE);
    now(world.cases.payments.recheck()).unwrap();
    world.work_off();
    assert_eq!(world.tier(user), Tier::Free, "its period is over");
}

#[test]
fn the_comparison_finds_who_pays_and_who_does_not() {
    let world = World::new();
    let people = ["ada", "bob", "eve", "kim", "lea"].map(|name| {
        let (user, customer) = world.customer(&format!("{name}@example.com"));
        (user, world.payments.subscribe(&customer, "pro_month"))
    });
    world.sweep();
    assert!(people.iter().all(|(user, _)| world.tier(*user) == Tier::Pro));
    let reads = world.payments.books().reads;
    world.at(MINUTE);
    world.sweep();
    assert_eq!(world.payments.books().reads, reads, "nobody differs, nobody is read");

    // One ended, one pays for another tier, of one Alpine made a customer and died.
    world.payments.change(&people[0].1, |it| it.status = SubscriptionStatus::Canceled);
    world.payments.change(&people[1].1, |it| {
        (it.price, it.cents) = ("elite_month".to_owned(), Some(24_900));
    });
    let lost = world.sign_up("tom@example.com").account.id;
    let made =
        now(world.payments.create_customer(&lost.to_string(), "tom@example.com", None)).unwrap();
    world.payments.subscribe(&made, "starter_month");
    world.at(2 * MINUTE);
    now(world.cases.payments.begin_sweep()).unwrap();
    world.work_off();
    let tiers = people.map(|(user, _)| world.tier(user));
    assert_eq!(tiers, [Tier::Free, Tier::Elite, Tier::Pro, Tier::Pro, Tier::Pro]);
    assert_eq!(world.tier(lost), Tier::Starter);
    assert_eq!(world.differing(), 0, "what differed was mended");
}

#[test]
fn a_difference_is_shown_while_it_cannot_be_mended() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    world.payments.subscribe(&customer, "pro_month");
    let found = now(world.cases.payments.sweep(SweepStep::default())).unwrap();
    assert_eq!(found, (1, None));
    let differing = now(world.stores.billing.differing(10)).unwrap();
    assert_eq!(differing[0].differs_since, Some(world.clock.now()));
    world.payments.set_away(true);
    world.work_off();
    assert_eq!((world.differing(), world.tier(user)), (1, Tier::Free));
    world.payments.set_away(false);
    world.at(MINUTE);
    world.work_off();
    assert_eq!((world.differing(), world.tier(user)), (0, Tier::Pro));
}

#[test]
fn a_provider_that_is_away_changes_nobody() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    world.payments.subscribe(&customer, "pro_month");
    assert!(world.hear("evt_1", &customer));
    world.work_off();
    world.payments.set_away(true);
    assert!(world.hear("evt_2", &customer));
    world.at(2 * MONTH);
    now(world.cases.payments.recheck()).unwrap();
    world.sweep();
    assert_eq!(world.tier(user), Tier::Pro);
    let refused = now(world.cases.subscriptions.set_ending(user, true));
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
}

#[test]
fn of_two_readings_the_later_one_counts() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    let slow = now(world.stores.billing.begin_reading(user)).unwrap();
    world.payments.subscribe(&customer, "pro_month");
    now(world.cases.payments.refresh(&customer)).unwrap();
    let outdated = alpine_domain::billing::Reading {
        user,
        number: slow,
        entitlement: entitlement(
            &CustomerState::default(),
            &billing_settings().prices,
            DAY,
            world.clock.now(),
        ),
        subscription: None,
        invoices: Vec::new(),
        now: world.clock.now(),
    };
    let applied = now(world.stores.billing.apply(outdated)).unwrap();
    assert_eq!(applied, alpine_domain::billing::Applied::Outdated);
    assert_eq!(world.tier(user), Tier::Pro);
}

#[test]
fn what_an_administrator_decides_stays_until_payment_changes() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    let subscription = world.payments.subscribe(&customer, "starter_month");
    now(world.cases.payments.refresh(&customer)).unwrap();
    let accounts = &world.cases.accounts;
    let account = now(accounts.profile(user)).unwrap();
    now(accounts.set_tier_and_role(&account, Tier::Elite, account.role)).unwrap();
    now(world.cases.payments.refresh(&customer)).unwrap();
    world.sweep();
    assert_eq!(world.tier(user), Tier::Elite);
    world.payments.change(&subscription, |it| it.status = SubscriptionStatus::Canceled);
    now(world.cases.payments.refresh(&customer)).unwrap();
    assert_eq!(world.tier(user), Tier::Free);
}

use SubscriptionStatus::{
    Active, Canceled, Incomplete, IncompleteExpired, PastDue, Paused, Trialing, Unpaid,
};

/// What a subscription is good for, one second before, at and after each instant that matters.
#[test]
fn each_state_is_good_for_what_it_says() {
    let world = World::new();
    let customer = now(world.payments.create_customer("x", "x@example.com", None)).unwrap();
    world.payments.subscribe(&customer, "pro_month");
    let state = world.payments.books().customers[&customer].clone();
    let begun = world.clock.now();
    let of = |change: &dyn Fn(&mut CustomerState), after: Duration| {
        let mut state = state.clone();
        change(&mut state);
        let settings = billing_settings();
        entitlement(&state, &settings.prices, settings.grace, begun.later(after))
    };
    let in_status = |status, is_ending, after| {
        let change = |state: &mut CustomerState| {
            (state.subscriptions[0].status, state.subscriptions[0].is_ending) = (status, is_ending);
        };
        of(&change, after).granted
    };
    let second = Duration::from_secs(1);
    for status in [Active, Trialing] {
        assert_eq!(in_status(status, false, 2 * MONTH), Some(Tier::Pro), "the provider says so");
        assert_eq!(in_status(status, true, MONTH - second), Some(Tier::Pro));
        assert_eq!(in_status(status, true, MONTH), None);
    }
    assert_eq!(in_status(PastDue, false, 7 * DAY - second), Some(Tier::Pro));
    assert_eq!(in_status(PastDue, false, 7 * DAY), None);
    for status in [Canceled, Incomplete, IncompleteExpired, Paused, Unpaid] {
        assert_eq!(in_status(status, false, Duration::ZERO), None, "{status}");
    }

    // When it is looked at again.
    let again = |status, after| {
        let change = |state: &mut CustomerState| state.subscriptions[0].status = status;
        of(&change, after).recheck_at.map(|at| at.since(begun))
    };
    assert_eq!(again(Active, DAY), Some(MONTH + MINUTE));
    assert_eq!(again(Active, MONTH), Some(MONTH + 10 * MINUTE));
    assert_eq!(again(PastDue, DAY), Some(7 * DAY));
    assert_eq!(again(Canceled, DAY), None);

    // Money that went back. What was paid for an earlier period does not count, and every part of this one does.
    let twice = |before: Duration, first_refunded| {
        let change = |state: &mut CustomerState| {
            let mut first = state.invoices[0].clone();
            (first.created_at, first.refunded_cents) = (begun.earlier(before), first_refunded);
            state.invoices.push(first);
        };
        of(&change, DAY).granted
    };
    assert_eq!(twice(second, 9_900), Some(Tier::Pro));
    assert_eq!(twice(Duration::ZERO, 9_900), Some(Tier::Pro), "the half");
    let beside_earlier = |refunded, is_disputed| {
        let change = |state: &mut CustomerState| {
            let mut earlier = state.invoices[0].clone();
            (earlier.created_at, earlier.is_disputed) = (begun.earlier(second), is_disputed);
            state.invoices.push(earlier);
            state.invoices[0].refunded_cents = refunded;
        };
        of(&change, DAY).granted
    };
    assert_eq!(beside_earlier(0, true), Some(Tier::Pro), "the dispute is about another period");
    assert_eq!(beside_earlier(4_951, false), None, "what was paid before makes up for nothing");
    let of_another = |change: fn(&mut ProviderInvoice)| {
        let add = |state: &mut CustomerState| {
            let mut other = state.invoices[0].clone();
            other.subscription = Some("sub_of_before".to_owned());
            change(&mut other);
            state.invoices.push(other);
            state.invoices[0].refunded_cents = 4_950;
        };
        of(&add, DAY).granted
    };
    let refunded = of_another(|it| it.refunded_cents = it.paid_cents);
    assert_eq!(refunded, Some(Tier::Pro), "another subscription's");
    assert_eq!(of_another(|it| it.is_disputed = true), Some(Tier::Pro), "another subscription's");
    let is_disputed = |at: usize| {
        let change = |state: &mut CustomerState| {
            state.invoices.push(state.invoices[0].clone());
            state.invoices[at].is_disputed = true;
        };
        of(&change, DAY).granted
    };
    assert_eq!((is_disputed(0), is_disputed(1)), (None, None));
    let paid = |refunded, is_disputed| {
        let change = |state: &mut CustomerState| {
            let invoice = &mut state.invoices[0];
            (invoice.refunded_cents, invoice.is_disputed) = (refunded, is_disputed);
        };
        let found = of(&change, DAY);
        assert_eq!(found.subscribed, Some(Tier::Pro), "the subscription by itself");
        found.granted
    };
    assert_eq!(paid(4_950, false), Some(Tier::Pro), "the half of it");
    assert_eq!(paid(4_951, false), None);
    assert_eq!(paid(9_900, false), None);
    assert_eq!(paid(0, true), None);
}

#[test]
fn another_amount_or_currency_gives_nothing_and_is_shown() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    let subscription = world.payments.subscribe(&customer, "pro_month");
    for (price, cents, currency, told) in [
        ("pro_month", Some(1), "usd", "costs 1 usd"),
        ("pro_month", Some(9_900), "idr", "costs 9900 idr"),
        ("pro_month", None, "usd", "no fixed amount"),
        ("price_of_others", Some(9_900), "usd", "do not name"),
    ] {
        world.payments.change(&subscription, |it| {
            (it.price, it.cents, it.currency) = (price.to_owned(), cents, currency.to_owned());
        });
        now(world.cases.payments.refresh(&customer)).unwrap();
        let record = now(world.stores.billing.differing(10)).unwrap().remove(0);
        let problem = record.problem.unwrap();
        assert!(problem.contains(told), "{problem}");
        assert_eq!((record.given, world.tier(user)), (None, Tier::Free), "{told}");
        // It is charged all the same, so nothing else is sold, and it is not ended either.
        let wish =
            world.cases.subscriptions.upgrade(user, Tier::Elite, BillingInterval::Month, None);
        assert!(matches!(now(wish), Err(Error::Forbidden(_))), "{told}");
        let state = world.payments.books().customers[&customer].clone();
        assert_eq!(state.subscriptions[0].status, SubscriptionStatus::Active, "{told}");
    }
    // A price of before has no amount here.
    world.payments.change(&subscription, |it| {
        (it.price, it.cents, it.currency) =
            ("elite_of_before".to_owned(), Some(100), "usd".to_owned());
    });
    now(world.cases.payments.refresh(&customer)).unwrap();
    assert_eq!((world.tier(user), world.differing()), (Tier::Elite, 0));
}

#[test]
fn two_subscriptions_give_the_better_tier_and_are_shown() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    world.payments.subscribe(&customer, "elite_month");
    world.payments.subscribe(&customer, "starter_month");
    now(world.cases.payments.refresh(&customer)).unwrap();
    assert_eq!(world.tier(user), Tier::Elite);
    let record = now(world.stores.billing.differing(10)).unwrap().remove(0);
    assert!(record.problem.unwrap().contains("2 subscriptions"));

    // The one that ends first says when to look again, whichever is listed first.
    let mut state = world.payments.books().customers[&customer].clone();
    let end = state.subscriptions[0].period_end;
    state.subscriptions[0].period_end = end.later(DAY);
    for _ in 0..2 {
        state.subscriptions.reverse();
        let found = entitlement(&state, &billing_settings().prices, DAY, world.clock.now());
        assert_eq!(found.recheck_at, Some(end.later(MINUTE)));
    }
}

#[test]
fn upgrading_twice_pays_once() {
    let world = World::new();
    let user = world.sign_up("ada@example.com").account.id;
    let cases = &world.cases.subscriptions;
    let wish = |tier, interval, key: Option<&str>| {
        let key = key.map(|key| key.parse().unwrap());
        now(cases.upgrade(user, tier, interval, key.as_ref()))
    };
    let month = BillingInterval::Month;
    let first = wish(Tier::Pro, month, None).unwrap();
    assert_eq!(wish(Tier::Pro, month, None).unwrap(), first, "the same page");
    let with_key = wish(Tier::Pro, month, Some("a")).unwrap();
    assert_eq!(wish(Tier::Pro, month, Some("a")).unwrap(), with_key);
    assert_ne!(wish(Tier::Pro, month, Some("b")).unwrap(), with_key);
    // Another wish is another one, whatever its key and however soon.
    let year = BillingInterval::Year;
    for key in [None, Some("a")] {
        let others = [(Tier::Elite, month), (Tier::Pro, year)]
            .map(|(tier, interval)| wish(tier, interval, key).unwrap());
        assert!(others[0] != others[1] && !others.contains(&first) && !others.contains(&with_key));
    }

    // Without a key of the client's, a wish is the same one for ten minutes at most.
    let later = wish(Tier::Pro, month, None).unwrap();
    world.at(10 * MINUTE);
    assert_ne!(wish(Tier::Pro, month, None).unwrap(), later);
    assert_eq!(wish(Tier::Pro, month, Some("a")).unwrap(), with_key);

    // It was paid, and nothing was heard of it.
    let record = now(world.stores.billing.record(user)).unwrap().unwrap();
    world.payments.subscribe(&record.customer, "pro_month");
    let kind = conflict(wish(Tier::Pro, month, None));
    assert_eq!((kind, world.tier(user)), (ConflictKind::AlreadySubscribed, Tier::Pro));
    assert_eq!(wish(Tier::Pro, month, Some("c")).unwrap(), Upgraded::Changed, "said again");
    assert_eq!(wish(Tier::Elite, month, None).unwrap(), Upgraded::Changed);
    assert_eq!(world.tier(user), Tier::Elite);
    assert_eq!(wish(Tier::Pro, year, None).unwrap(), Upgraded::Changed);
    assert_eq!(world.tier(user), Tier::Pro);
    for tier in [Tier::Elite, Tier::Starter] {
        assert_eq!(wish(tier, month, Some("d")).unwrap(), Upgraded::Changed);
        assert_eq!(world.tier(user), tier);
    }
}

#[test]
fn nothing_is_sold_that_is_not_for_sale_or_costs_something_else() {
    let world = World::new();
    let user = world.sign_up("ada@example.com").account.id;
    let cases = &world.cases.subscriptions;
    for (tier, interval, field) in [
        (Tier::Free, BillingInterval::Month, "tier"),
        (Tier::Elite, BillingInterval::Year, "interval"),
    ] {
        match now(cases.upgrade(user, tier, interval, None)) {
            Err(Error::Invalid(fields)) => assert_eq!(fields[0].field, field),
            other => panic!("{other:?}"),
        }
    }
    let other = |cents, currency: &str, period: (&str, u32)| ProviderPrice {
        cents: Some(cents),
        currency: currency.to_owned(),
        period: (period.0.to_owned(), period.1),
    };
    for price in [
        other(1, "usd", ("month", 1)),
        other(9_900, "eur", ("month", 1)),
        other(9_900, "usd", ("year", 1)),
        other(9_900, "usd", ("month", 3)),
    ] {
        world.payments.books().other_price = Some(price);
        let refused = now(cases.upgrade(user, Tier::Pro, BillingInterval::Month, None));
        assert!(matches!(refused, Err(Error::Internal(_))), "{refused:?}");
    }
    assert!(world.payments.books().checkouts.is_empty());
    assert_eq!(conflict(now(cases.set_ending(user, true))), ConflictKind::NotSubscribed);
    assert_eq!(conflict(now(cases.portal(user))), ConflictKind::NotSubscribed);
}

/// Whose money went back gets nothing for it, least of all a credit; who owes pays first.
#[test]
fn nobody_changes_the_price_of_what_is_not_paid() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    let subscription = world.payments.subscribe(&customer, "elite_month");
    let month = BillingInterval::Month;
    let wish = |tier| now(world.cases.subscriptions.upgrade(user, tier, month, None));
    world.payments.change(&subscription, |it| it.status = SubscriptionStatus::PastDue);
    assert!(matches!(wish(Tier::Starter), Err(Error::Forbidden(_))));
    world.payments.change(&subscription, |it| it.status = SubscriptionStatus::Active);
    world.payments.books().customers.get_mut(&customer).unwrap().invoices[0].is_disputed = true;
    assert!(matches!(wish(Tier::Elite), Ok(Upgraded::Checkout(_))), "not: you have it already");
    let state = world.payments.books().customers[&customer].clone();
    assert_eq!(state.subscriptions[0].status, SubscriptionStatus::Canceled);
    assert_eq!(state.subscriptions[0].price, "elite_month");
}

/// Who was deleted at the provider buys as somebody new.
#[test]
fn a_customer_that_is_no_more_is_replaced() {
    let world = World::new();
    let (user, old) = world.customer("ada@example.com");
    world.payments.books().customers.get_mut(&old).unwrap().reference = None;
    let new = world.upgrade(user, Tier::Elite);
    assert_ne!(new, old);
    world.payments.subscribe(&new, "elite_month");
    now(world.cases.payments.refresh(&new)).unwrap();
    assert_eq!(world.tier(user), Tier::Elite);
}

/// A checkout that was paid after the account was deleted, and what it paid for until then was ended.
#[test]
fn a_deleted_account_is_charged_no_more_whenever_it_is_noticed() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    now(world.cases.accounts.delete(user, (PASSWORD, HashPriority::Known))).unwrap();
    world.work_off();
    world.payments.subscribe(&customer, "pro_month");
    assert!(world.hear("evt_1", &customer));
    world.work_off();
    let state = world.payments.books().customers[&customer].clone();
    assert_eq!(state.subscriptions[0].status, SubscriptionStatus::Canceled);
    assert_eq!(world.tier(user), Tier::Free);
}

#[test]
fn deleting_an_account_ends_what_it_pays_for() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    world.payments.subscribe(&customer, "pro_month");
    now(world.cases.payments.refresh(&customer)).unwrap();
    now(world.cases.jobs.run(&Job::SubscriptionsEnd { user })).unwrap();
    let state = world.payments.books().customers[&customer].clone();
    assert_eq!(state.subscriptions[0].status, SubscriptionStatus::Canceled);
    assert_eq!(world.tier(user), Tier::Free);
    now(world.cases.jobs.run(&Job::SubscriptionsEnd { user })).unwrap();
}

#[test]
fn a_reversal_is_found_by_its_charge_and_by_the_comparison() {
    let world = World::new();
    let (user, customer) = world.customer("ada@example.com");
    world.payments.subscribe(&customer, "pro_month");
    now(world.cases.payments.refresh(&customer)).unwrap();
    let set = |refunded| {
        let mut books = world.payments.books();
        books.customers.get_mut(&customer).unwrap().invoices[0].refunded_cents = refunded;
    };
    set(9_900);
    world.payments.books().charges.insert("ch_1".to_owned(), customer.clone());
    assert!(world.hear("evt_1", "ch_1"));
    assert!(world.hear("evt_2", "ch_of_others"));
    assert!(world.hear("evt_3", "nobody"));
    world.work_off();
    assert_eq!(world.tier(user), Tier::Free);
    set(0);
    world.sweep();
    assert_eq!(world.tier(user), Tier::Free, "nothing tells of it");
    // The comparison looks three days back, as long as providers send an event again.
    let at = world.clock.now();
    world.payments.books().reversed.push((at, customer.clone()));
    let second = Duration::from_secs(1);
    world.at(3 * DAY + second);
    world.sweep();
    assert_eq!(world.tier(user), Tier::Free, "it is too long ago");
    world.payments.books().reversed[0].0 = at.later(second);
    world.sweep();
    assert_eq!(world.tier(user), Tier::Pro);
}

#[test]
fn what_nobody_signed_is_refused_and_kept_nowhere() {
    let world = World::new();
    let refused = now(world.cases.payments.receive("bad", b"evt_1 cus_1"));
    assert!(matches!(refused, Err(Error::Malformed(_))), "{refused:?}");
    assert!(world.hear("evt_1", "cus_1"), "the id is free");
    let event = world.payments.event("good", b"evt_2 cus_1", world.clock.now()).unwrap();
    assert_eq!(event.subject, EventSubject::Customer("cus_1".to_owned()));
}

/// What happens at the provider, or on the way to Alpine.
#[derive(Debug, Clone)]
enum Step {
    Subscribe(usize, usize),
    Cancel(usize),
    Ending(usize, bool),
    Fail(usize),
    Renew(usize),
    Change(usize, usize),
    Refund(usize),
    /// Of the events that were not heard, this one is, so many times.
    Hear(prop::sample::Index, usize),
    Lose(prop::sample::Index),
    Away(bool),
    Wait(u32),
    Work,
}

const PRICES: [&str; 4] = ["starter_month", "pro_month", "elite_month", "pro_year"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..3_usize;
    let what = 0..PRICES.len();
    let step = prop_oneof![
        3 => (who.clone(), what.clone()).prop_map(|(who, what)| Step::Subscribe(who, what)),
        1 => who.clone().prop_map(Step::Cancel),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, is)| Step::Ending(who, is)),
        1 => who.clone().prop_map(Step::Fail),
        1 => who.clone().prop_map(Step::Renew),
        1 => (who.clone(), what).prop_map(|(who, what)| Step::Change(who, what)),
        1 => who.prop_map(Step::Refund),
        4 => (any::<prop::sample::Index>(), 1..4_usize).prop_map(|(at, times)| Step::Hear(at, times)),
        2 => any::<prop::sample::Index>().prop_map(Step::Lose),
        1 => any::<bool>().prop_map(Step::Away),
        2 => (1..60_u32).prop_map(Step::Wait),
        3 => Just(Step::Work),
    ];
    prop::collection::vec(step, 1..40)
}

struct History<'w> {
    world: &'w World,
    people: Vec<(UserId, String)>,
    unheard: Vec<(String, String)>,
    events: u32,
}

impl History<'_> {
    fn newest(&self, who: usize) -> Option<String> {
        let books = self.world.payments.books();
        let state = &books.customers[&self.people[who].1];
        state.subscriptions.first().filter(|it| it.status.is_live()).map(|it| it.id.clone())
    }

    fn tell(&mut self, who: usize) {
        self.events += 1;
        self.unheard.push((format!("evt_{}", self.events), self.people[who].1.clone()));
    }

    fn change(
        &mut self,
        who: usize,
        change: impl FnOnce(&mut alpine_domain::ports::payments::ProviderSubscription),
    ) {
        if let Some(id) = self.newest(who) {
            self.world.payments.change(&id, change);
            self.tell(who);
        }
    }

    fn go(&mut self, step: &Step) {
        let (world, at) = (self.world, self.world.clock.now());
        match step {
            Step::Subscribe(who, what) => {
                if self.newest(*who).is_none() {
                    world.payments.subscribe(&self.people[*who].1, PRICES[*what]);
                    self.tell(*who);
                }
            }
            Step::Cancel(who) => self.change(*who, |it| it.status = SubscriptionStatus::Canceled),
            Step::Ending(who, is) => self.change(*who, |it| it.is_ending = *is),
            Step::Fail(who) => self.change(*who, |it| {
                (it.status, it.period_start, it.period_end) =
                    (SubscriptionStatus::PastDue, at, at.later(MONTH));
            }),
            Step::Renew(who) => {
                if let Some(id) = self.newest(*who) {
                    world.payments.bill(&self.people[*who].1, &id, true);
                }
                self.change(*who, |it| {
                    (it.status, it.period_start, it.period_end) =
                        (SubscriptionStatus::Active, at, at.later(MONTH));
                });
            }
            Step::Change(who, what) => {
                let sold = billing_settings().prices;
                let plan = sold.plans.iter().find(|it| it.price.as_deref() == Some(PRICES[*what]));
                let cents = plan.unwrap().amount.get();
                self.change(*who, |it| {
                    (it.price, it.cents) = (PRICES[*what].to_owned(), Some(cents.into()));
                });
            }
            Step::Refund(who) => {
                let customer = self.people[*who].1.clone();
                let mut books = world.payments.books();
                if let Some(paid) = books.customers.get_mut(&customer).unwrap().invoices.first_mut()
                {
                    paid.refunded_cents = paid.paid_cents;
                    // The comparison looks three days back, and is made every half hour: here it is made
                    // once, at the end.
                    books.reversed.push((Timestamp::MAX, customer));
                    drop(books);
                    self.tell(*who);
                }
            }
            Step::Hear(index, times) if !self.unheard.is_empty() => {
                let (id, subject) = self.unheard.remove(index.index(self.unheard.len()));
                for time in 0..*times {
                    assert_eq!(world.hear(&id, &subject), time == 0);
                }
            }
            Step::Lose(index) if !self.unheard.is_empty() => {
                self.unheard.remove(index.index(self.unheard.len()));
            }
            Step::Hear(..) | Step::Lose(_) => {}
            Step::Away(is) => world.payments.set_away(*is),
            Step::Wait(hours) => world.clock.advance(Duration::from_hours((*hours).into())),
            Step::Work => {
                now(world.cases.payments.recheck()).unwrap();
                world.work_off();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Events are lost, late, doubled and out of order, and the provider is away at times: in the end
    /// everybody has what the provider's own state says.
    #[test]
    fn whatever_is_heard_access_ends_where_the_provider_says(steps in steps()) {
        let world = World::new();
        let people = (0..3).map(|n| world.customer(&format!("user{n}@example.com"))).collect();
        let mut history = History { world: &world, people, unheard: Vec::new(), events: 0 };
        for step in &steps {
            history.go(step);
        }
        world.payments.set_away(false);
        // What was put off while the provider was away is due by then.
        world.clock.advance(2 * MINUTE);
        now(world.cases.payments.recheck()).unwrap();
        world.sweep();
        world.clock.advance(2 * MINUTE);
        world.work_off();
        let settings = billing_settings();
        for (user, customer) in &history.people {
            let state = world.payments.books().customers[customer].clone();
            let found = entitlement(&state, &settings.prices, settings.grace, world.clock.now());
            prop_assert_eq!(world.tier(*user), found.granted.unwrap_or(Tier::Free));
        }
    }
}
