//! What is kept of payments.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Error, Timestamp,
    account::{Deletion, Tier, UserId},
    analytics::{Day, RollupName},
    billing::{
        Applied, BillingInterval, BillingStore as _, Compared, CurrentSubscription, Entitlement,
        Reading, ReceivedEvent,
    },
    jobs::{Claim, Job, Lane, Lease, NewJob},
    notification::{KeptQuery, NotificationKind},
    ports::payments::{ProviderInvoice, SubscriptionStatus},
    retention::{Due, PAYMENT_EVENTS_KEPT, Positions},
};
use alpine_persistence::Billing;
use tokio::sync::Barrier;

use crate::support::{Bed, DatabaseBed, at, on_every};

on_every!(
    a_user_is_one_customer,
    an_event_is_kept_once_with_its_job,
    a_reading_is_kept_and_the_tier_follows,
    of_two_readings_the_one_that_began_later_counts,
    the_tier_follows_changes_of_payment_alone,
    who_is_due_is_read_and_looked_at_again,
    who_differs_is_shown_and_read,
    who_is_not_listed_is_read,
    invoices_are_kept_as_they_are_by_now,
    a_renewal_that_fails_is_told_once,
    events_are_forgotten_after_ninety_days,
    an_erased_account_leaves_amounts_alone,
    figures_are_what_a_count_gives;
    databases:
    fifty_copies_of_an_event_add_one_job,
);

struct Zeros;

impl alpine_domain::ports::secrets::Randomness for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// The customers, or payments, that are to be read, once for each job.
async fn to_read(bed: &Bed, now: Timestamp) -> Vec<String> {
    let lease = Lease::generate(&Zeros);
    let claim = Claim { lane: Lane::Payments, now, until: now, lease, limit: 100 };
    let mut found = Vec::new();
    for held in bed.jobs.claim(claim).await.unwrap() {
        match &held.job {
            Job::PaymentsChanged { customer } => found.push(customer.clone()),
            other => panic!("{other:?}"),
        }
        assert!(bed.jobs.finish(&held).await.unwrap());
    }
    found.sort();
    found
}

async fn customer(bed: &Bed, name: &str) -> UserId {
    let user = bed.user(&format!("{name}@example.com")).await.id;
    let linked = bed.billing.link(user, &format!("cus_{name}"), at(1_000), at(1)).await.unwrap();
    assert_eq!(linked, format!("cus_{name}"));
    user
}

async fn reading(bed: &Bed, user: UserId, tier: Option<Tier>, now: Timestamp) -> Reading {
    let number = bed.billing.begin_reading(user).await.unwrap();
    let entitlement = Entitlement { subscribed: tier, granted: tier, ..Entitlement::default() };
    Reading { user, number, entitlement, subscription: None, invoices: Vec::new(), now }
}

async fn apply(bed: &Bed, reading: &Reading) -> Applied {
    bed.billing.apply(reading.clone()).await.unwrap()
}

async fn tier(bed: &Bed, user: UserId) -> Tier {
    bed.accounts.account(user).await.unwrap().unwrap().tier
}

async fn a_user_is_one_customer(bed: Bed) {
    let ada = bed.user("ada@example.com").await.id;
    assert_eq!(bed.billing.record(ada).await.unwrap(), None);
    assert_eq!(bed.billing.user_of("cus_1").await.unwrap(), None);
    assert!(matches!(bed.billing.begin_reading(ada).await, Err(Error::NotFound(_))));
    assert_eq!(bed.billing.link(ada, "cus_1", at(9), at(1)).await.unwrap(), "cus_1");
    assert_eq!(bed.billing.link(ada, "cus_2", at(9), at(2)).await.unwrap(), "cus_1");
    assert_eq!(bed.billing.user_of("cus_1").await.unwrap(), Some(ada));
    assert_eq!(bed.billing.user_of("cus_2").await.unwrap(), None);
    let record = bed.billing.record(ada).await.unwrap().unwrap();
    assert_eq!((record.customer.as_str(), record.read_at), ("cus_1", None));
    let bob = bed.user("bob@example.com").await.id;
    let taken = bed.billing.link(bob, "cus_1", at(9), at(3)).await;
    assert!(taken.is_err(), "it is another user's");
    assert_eq!(bed.billing.record(bob).await.unwrap(), None);
    bed.billing.unlink(ada, "cus_2", at(4)).await.unwrap();
    assert_eq!(bed.billing.user_of("cus_1").await.unwrap(), Some(ada), "it is another one");
    bed.billing.unlink(ada, "cus_1", at(4)).await.unwrap();
    assert_eq!(bed.billing.user_of("cus_1").await.unwrap(), None);
    assert_eq!(bed.billing.record(ada).await.unwrap(), None);
    assert!(matches!(bed.billing.begin_reading(ada).await, Err(Error::NotFound(_))));
    assert_eq!(bed.billing.link(ada, "cus_3", at(9), at(5)).await.unwrap(), "cus_3");
    let nobody: UserId = "00000000-0000-4000-8000-000000000009".parse().unwrap();
    let missing = bed.billing.link(nobody, "cus_9", at(9), at(3)).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
}

fn event(id: &str) -> ReceivedEvent {
    let job = Job::PaymentsChanged { customer: "cus_1".to_owned() };
    let job = Some(NewJob::new(job, at(1)));
    ReceivedEvent { id: id.to_owned(), kind: "invoice.paid".to_owned(), now: at(1), job }
}

async fn an_event_is_kept_once_with_its_job(bed: Bed) {
    assert!(bed.billing.receive(event("evt_1")).await.unwrap());
    assert!(!bed.billing.receive(event("evt_1")).await.unwrap());
    assert!(bed.billing.receive(event("evt_2")).await.unwrap());
    assert!(bed.billing.receive(ReceivedEvent { job: None, ..event("evt_3") }).await.unwrap());
    assert_eq!(to_read(&bed, at(1)).await, ["cus_1", "cus_1"]);
    assert!(!bed.billing.receive(event("evt_2")).await.unwrap(), "also when it is done");
    assert_eq!(to_read(&bed, at(1)).await, [""; 0]);
}

async fn fifty_copies_of_an_event_add_one_job(bed: DatabaseBed) {
    let start = Arc::new(Barrier::new(50));
    let copies = (0..50).map(|_| {
        let (store, start) = (Billing::new(bed.database.clone()), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            store.receive(event("evt_1")).await.unwrap()
        })
    });
    let mut new = 0;
    for copy in copies.collect::<Vec<_>>() {
        new += usize::from(copy.await.unwrap());
    }
    assert_eq!((new, to_read(&bed, at(1)).await.len()), (1, 1));
}

async fn a_reading_is_kept_and_the_tier_follows(bed: Bed) {
    let ada = customer(&bed, "ada").await;
    let events = bed.kinds().await.len();
    let subscription = CurrentSubscription {
        id: "sub_1".to_owned(),
        item: "si_1".to_owned(),
        status: SubscriptionStatus::Trialing,
        tier: Some(Tier::Pro),
        interval: Some(BillingInterval::Year),
        cents: Some(99_000),
        period_end: at(500),
        is_ending: true,
        trial_end: Some(at(400)),
    };
    let first = Reading {
        subscription: Some(subscription.clone()),
        ..reading(&bed, ada, Some(Tier::Pro), at(10)).await
    };
    assert_eq!(apply(&bed, &first).await, Applied::Changed { from: Tier::Free, to: Tier::Pro });
    assert_eq!(tier(&bed, ada).await, Tier::Pro);
    assert_eq!(bed.kinds().await[events..], ["account_changed"]);
    let record = bed.billing.record(ada).await.unwrap().unwrap();
    assert_eq!(record.subscription, Some(subscription));
    assert_eq!((record.subscribed, record.given), (Some(Tier::Pro), Some(Tier::Pro)));
    assert_eq!((record.read_at, record.differs_since, record.problem), (Some(at(10)), None, None));

    // A problem is there since it was seen first; the tier that is subscribed to may be given to nobody.
    let mut second = reading(&bed, ada, None, at(20)).await;
    second.entitlement.subscribed = Some(Tier::Pro);
    second.entitlement.problem = Some("a dispute".to_owned());
    assert_eq!(apply(&bed, &second).await, Applied::Changed { from: Tier::Pro, to: Tier::Free });
    let third =
        Reading { number: bed.billing.begin_reading(ada).await.unwrap(), now: at(30), ..second };
    assert_eq!(apply(&bed, &third).await, Applied::Same);
    let record = bed.billing.record(ada).await.unwrap().unwrap();
    assert_eq!((record.subscribed, record.given), (Some(Tier::Pro), None));
    assert_eq!((record.differs_since, record.read_at), (Some(at(20)), Some(at(30))));
    assert_eq!(record.problem.as_deref(), Some("a dispute"));
    assert_eq!(record.subscription, None);
}

async fn of_two_readings_the_one_that_began_later_counts(bed: Bed) {
    let ada = customer(&bed, "ada").await;
    let slow = reading(&bed, ada, Some(Tier::Elite), at(10)).await;
    let quick = reading(&bed, ada, Some(Tier::Starter), at(9)).await;
    assert_eq!(apply(&bed, &quick).await, Applied::Changed { from: Tier::Free, to: Tier::Starter });
    assert_eq!(apply(&bed, &slow).await, Applied::Outdated);
    assert_eq!(apply(&bed, &quick).await, Applied::Outdated, "a job that is done twice");
    assert_eq!(tier(&bed, ada).await, Tier::Starter);
    assert_eq!(bed.billing.record(ada).await.unwrap().unwrap().read_at, Some(at(9)));
}

async fn the_tier_follows_changes_of_payment_alone(bed: Bed) {
    let ada = customer(&bed, "ada").await;
    let role = bed.accounts.account(ada).await.unwrap().unwrap().role;
    apply(&bed, &reading(&bed, ada, Some(Tier::Starter), at(10)).await).await;
    bed.accounts.set_tier_and_role(ada, Tier::Elite, role, at(11)).await.unwrap();
    let same = reading(&bed, ada, Some(Tier::Starter), at(12)).await;
    assert_eq!(apply(&bed, &same).await, Applied::Same);
    assert_eq!(tier(&bed, ada).await, Tier::Elite, "what an administrator gave");
    let ended = reading(&bed, ada, None, at(13)).await;
    assert_eq!(apply(&bed, &ended).await, Applied::Changed { from: Tier::Elite, to: Tier::Free });
    // Nobody pays, and an administrator gives: nothing is taken.
    bed.accounts.set_tier_and_role(ada, Tier::Pro, role, at(14)).await.unwrap();
    let nothing = reading(&bed, ada, None, at(15)).await;
    assert_eq!(apply(&bed, &nothing).await, Applied::Same);
    assert_eq!(tier(&bed, ada).await, Tier::Pro);
}

async fn who_is_due_is_read_and_looked_at_again(bed: Bed) {
    let (ada, bob) = (customer(&bed, "ada").await, customer(&bed, "bob").await);
    bed.billing.recheck(bob, at(2_000)).await.unwrap();
    assert_eq!(bed.billing.due(at(999), at(1_500), 10).await.unwrap(), 0);
    bed.billing.recheck(ada, at(500)).await.unwrap();
    assert_eq!(bed.billing.due(at(499), at(1_500), 10).await.unwrap(), 0);
    assert_eq!(bed.billing.due(at(500), at(1_500), 10).await.unwrap(), 1);
    assert_eq!(bed.billing.due(at(500), at(1_500), 10).await.unwrap(), 0);
    assert_eq!(to_read(&bed, at(500)).await, ["cus_ada"]);
    assert_eq!(bed.billing.due(at(1_500), at(1_600), 1).await.unwrap(), 1, "one at most");
    assert_eq!(to_read(&bed, at(1_500)).await, ["cus_bob"], "who is due for longest");
    assert_eq!(bed.billing.due(at(1_500), at(1_600), 10).await.unwrap(), 1);
    assert_eq!(to_read(&bed, at(1_500)).await, ["cus_ada"]);
    // What was read says when.
    let mut read = reading(&bed, ada, None, at(1_510)).await;
    read.entitlement.recheck_at = Some(at(1_700));
    apply(&bed, &read).await;
    apply(&bed, &reading(&bed, bob, None, at(1_510)).await).await;
    assert_eq!(bed.billing.due(at(1_699), at(1_800), 10).await.unwrap(), 0);
    assert_eq!(bed.billing.due(at(9_000), at(9_100), 10).await.unwrap(), 1);
    assert_eq!(to_read(&bed, at(9_000)).await, ["cus_ada"]);
}

fn listed(name: &str, subscribed: Option<Tier>) -> Compared {
    Compared { customer: format!("cus_{name}"), subscribed }
}

async fn who_differs_is_shown_and_read(bed: Bed) {
    let (ada, bob) = (customer(&bed, "ada").await, customer(&bed, "bob").await);
    apply(&bed, &reading(&bed, ada, Some(Tier::Pro), at(10)).await).await;
    let same = vec![listed("ada", Some(Tier::Pro)), listed("bob", None), listed("others", None)];
    assert_eq!(bed.billing.compare(same, at(20)).await.unwrap(), 0);
    assert_eq!(bed.billing.differing(10).await.unwrap(), []);
    let other = vec![listed("ada", Some(Tier::Elite)), listed("others", Some(Tier::Pro))];
    assert_eq!(bed.billing.compare(other.clone(), at(30)).await.unwrap(), 2);
    assert_eq!(bed.billing.compare(other, at(40)).await.unwrap(), 2);
    assert_eq!(bed.billing.compare(vec![listed("bob", Some(Tier::Pro))], at(50)).await.unwrap(), 1);
    assert_eq!(to_read(&bed, at(50)).await, ["cus_ada", "cus_bob", "cus_others"], "each once");
    let shown = bed.billing.differing(10).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|it| (it.user, it.differs_since)).collect();
    assert_eq!(shown, [(ada, Some(at(30))), (bob, Some(at(50)))]);
    assert_eq!(bed.billing.differing(1).await.unwrap().len(), 1);
    apply(&bed, &reading(&bed, ada, Some(Tier::Elite), at(60)).await).await;
    let shown = bed.billing.differing(10).await.unwrap();
    assert_eq!(shown.iter().map(|it| it.user).collect::<Vec<_>>(), [bob]);
}

async fn who_is_not_listed_is_read(bed: Bed) {
    let mut people = Vec::new();
    for (name, given) in [("ada", Some(Tier::Pro)), ("bob", Some(Tier::Pro)), ("eve", None)] {
        let user = customer(&bed, name).await;
        apply(&bed, &reading(&bed, user, given, at(10)).await).await;
        people.push(user);
    }
    assert_eq!(bed.billing.unlisted(at(10), at(15), 10).await.unwrap(), 0, "read since");
    bed.billing.compare(vec![listed("bob", Some(Tier::Pro))], at(20)).await.unwrap();
    assert_eq!(bed.billing.unlisted(at(20), at(25), 10).await.unwrap(), 1);
    assert_eq!(to_read(&bed, at(25)).await, ["cus_ada"]);
    let shown = bed.billing.differing(10).await.unwrap();
    assert_eq!((shown.len(), shown[0].user, shown[0].differs_since), (1, people[0], Some(at(25))));
    assert_eq!(bed.billing.unlisted(at(30), at(35), 1).await.unwrap(), 1, "one at most");
    people.truncate(2);
    people.sort();
    let paying = async |after, limit| {
        let found = bed.billing.paying(after, limit).await.unwrap();
        found.iter().map(|it| it.user).collect::<Vec<_>>()
    };
    assert_eq!(paying(None, 10).await, people);
    assert_eq!(paying(None, 1).await, people[..1]);
    assert_eq!(paying(Some(people[0]), 10).await, people[1..]);
}

fn invoice(id: &str, created: i64) -> ProviderInvoice {
    ProviderInvoice {
        id: id.to_owned(),
        number: None,
        subscription: Some("sub_1".to_owned()),
        status: "open".to_owned(),
        due_cents: 9_900,
        paid_cents: 0,
        refunded_cents: 0,
        is_disputed: false,
        currency: "usd".to_owned(),
        created_at: at(created),
        paid_at: None,
        url: Some("https://example.com/i".to_owned()),
        pdf: None,
    }
}

async fn invoices_are_kept_as_they_are_by_now(bed: Bed) {
    let (ada, bob) = (customer(&bed, "ada").await, customer(&bed, "bob").await);
    let read = async |user, invoices, now| {
        let reading = reading(&bed, user, None, at(now)).await;
        let invoices = Vec::into_iter(invoices).map(|it| (it, Some(Tier::Pro))).collect();
        apply(&bed, &Reading { invoices, ..reading }).await;
    };
    // The newest first, as the provider lists them.
    read(ada, vec![invoice("in_3", 3), invoice("in_2", 2), invoice("in_1", 1)], 10).await;
    read(bob, vec![invoice("in_4", 1)], 11).await;
    let paid = ProviderInvoice {
        number: Some("A-1".to_owned()),
        status: "paid".to_owned(),
        paid_cents: 9_900,
        refunded_cents: 100,
        is_disputed: true,
        paid_at: Some(at(12)),
        url: None,
        pdf: Some("https://example.com/pdf".to_owned()),
        ..invoice("in_2", 2)
    };
    read(ada, vec![paid.clone()], 12).await;
    let page = bed.billing.invoices(ada, None, 2).await.unwrap();
    let ids = |page: &alpine_domain::billing::InvoicePage| -> Vec<String> {
        page.invoices.iter().map(|it| it.invoice.id.clone()).collect()
    };
    assert_eq!((ids(&page), page.has_more), (vec!["in_3".to_owned(), "in_2".to_owned()], true));
    assert_eq!(page.invoices[1].invoice, paid);
    let rest = bed.billing.invoices(ada, Some(page.invoices[1].row), 2).await.unwrap();
    assert_eq!((ids(&rest), rest.has_more), (vec!["in_1".to_owned()], false));
    assert_eq!(ids(&bed.billing.invoices(bob, None, 10).await.unwrap()), ["in_4"]);
}

async fn a_renewal_that_fails_is_told_once(bed: Bed) {
    let ada = customer(&bed, "ada").await;
    let in_status = async |status, now| {
        let subscription = CurrentSubscription {
            id: "sub_1".to_owned(),
            item: "si_1".to_owned(),
            status,
            tier: Some(Tier::Pro),
            interval: None,
            cents: None,
            period_end: at(500),
            is_ending: false,
            trial_end: None,
        };
        let reading = reading(&bed, ada, Some(Tier::Pro), at(now)).await;
        apply(&bed, &Reading { subscription: Some(subscription), ..reading }).await;
    };
    for (now, status) in [
        SubscriptionStatus::Active,
        SubscriptionStatus::PastDue,
        SubscriptionStatus::PastDue,
        SubscriptionStatus::Active,
        SubscriptionStatus::PastDue,
    ]
    .into_iter()
    .enumerate()
    {
        in_status(status, 10 + i64::try_from(now).unwrap()).await;
    }
    let query = KeptQuery { user: ada, after: None, limit: 10, unread_only: false };
    let told = bed.notifications.page(query).await.unwrap();
    let told: Vec<_> = told.items.iter().map(|it| (it.kind, it.created_at)).collect();
    let failed = NotificationKind::PaymentFailed;
    assert_eq!(told, [(failed, at(14)), (failed, at(11)), (NotificationKind::TierChanged, at(10))]);
}

async fn events_are_forgotten_after_ninety_days(bed: Bed) {
    assert!(bed.billing.receive(event("evt_1")).await.unwrap());
    assert!(bed.billing.receive(ReceivedEvent { now: at(2), ..event("evt_2") }).await.unwrap());
    let due = |now| Due {
        sessions: Timestamp::MIN,
        api_keys: Timestamp::MIN,
        failed_jobs: Timestamp::MIN,
        audit: Timestamp::MIN,
        notifications: Timestamp::MIN,
        now,
        from: Positions::default(),
    };
    let ninety_days = at(1).later(PAYMENT_EVENTS_KEPT);
    let (none, _) = bed.retention.delete_chunk(due(ninety_days)).await.unwrap();
    assert_eq!(none.rows(), 0);
    let just_later = due(ninety_days.later(Duration::from_micros(1)));
    let (one, _) = bed.retention.delete_chunk(just_later).await.unwrap();
    assert_eq!((one.payment_events, one.rows()), (1, 1));
    assert!(bed.billing.receive(event("evt_1")).await.unwrap(), "it is not known any more");
    assert!(!bed.billing.receive(event("evt_2")).await.unwrap());
}

async fn an_erased_account_leaves_amounts_alone(bed: Bed) {
    let (ada, bob) = (customer(&bed, "ada").await, customer(&bed, "bob").await);
    for (user, id) in [(ada, "in_1"), (bob, "in_2")] {
        let reading = reading(&bed, user, None, at(10)).await;
        apply(&bed, &Reading { invoices: vec![(invoice(id, 1), None)], ..reading }).await;
    }
    let deletion = Deletion {
        user: ada,
        proved_by: "hash".to_owned(),
        now: at(20),
        erase_at: at(30),
        jobs: Vec::new(),
    };
    bed.deletions.delete(deletion).await.unwrap();
    assert!(bed.deletions.erase(ada, "nobody's".to_owned(), 10, at(30)).await.unwrap());
    assert_eq!(bed.billing.record(ada).await.unwrap(), None);
    let linked = bed.billing.link(ada, "cus_ada", at(40), at(40)).await;
    assert!(matches!(linked, Err(Error::NotFound(_))), "it is nobody's any more");
    let left = bed.billing.invoices(ada, None, 10).await.unwrap().invoices.remove(0).invoice;
    assert_eq!((left.url, left.due_cents), (None, 9_900));
    let others = bed.billing.invoices(bob, None, 10).await.unwrap().invoices.remove(0).invoice;
    assert!(others.url.is_some() && bed.billing.record(bob).await.unwrap().is_some());
}

/// Readings that change everything that is counted, in an order made by chance; then the sums are those of a count.
async fn figures_are_what_a_count_gives(bed: Bed) {
    let users = [customer(&bed, "ada").await, customer(&bed, "bob").await];
    let mut state = 0x2545_f491_u64;
    let mut chance = move |of: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % of
    };
    for step in 0..60_i64 {
        let user = users[usize::try_from(chance(2)).unwrap()];
        let tier =
            [None, Some(Tier::Starter), Some(Tier::Pro)][usize::try_from(chance(3)).unwrap()];
        let interval = [None, Some(BillingInterval::Month), Some(BillingInterval::Year)];
        let subscription = CurrentSubscription {
            id: "sub_1".to_owned(),
            item: "si_1".to_owned(),
            status: SubscriptionStatus::Active,
            tier,
            interval: interval[usize::try_from(chance(3)).unwrap()],
            cents: Some(i64::try_from(chance(100_000)).unwrap()).filter(|_| chance(5) > 0),
            period_end: at(500),
            is_ending: false,
            trial_end: None,
        };
        let paid = i64::try_from(chance(3)).unwrap() * 5_000;
        let bill = ProviderInvoice {
            paid_cents: paid,
            refunded_cents: paid.min(i64::try_from(chance(6_000)).unwrap()),
            is_disputed: chance(4) == 0,
            paid_at: (paid > 0).then(|| at(i64::try_from(chance(9)).unwrap() * 40_000)),
            currency: if chance(5) == 0 { "jpy" } else { "usd" }.to_owned(),
            ..invoice(&format!("in_{}_{}", user, chance(4)), step)
        };
        let number = bed.billing.begin_reading(user).await.unwrap();
        let entitlement = Entitlement { subscribed: tier, granted: tier, ..Entitlement::default() };
        apply(
            &bed,
            &Reading {
                user,
                number,
                entitlement,
                subscription: Some(subscription).filter(|_| chance(6) > 0),
                invoices: vec![(bill, tier)],
                now: at(step * 10_000),
            },
        )
        .await;
        assert_eq!(bed.rollups.recount(None).await.unwrap(), [], "after step {step}");
    }
    let deletion = Deletion {
        user: users[0],
        proved_by: "hash".to_owned(),
        now: at(600_000),
        erase_at: at(600_001),
        jobs: Vec::new(),
    };
    bed.deletions.delete(deletion).await.unwrap();
    bed.deletions.erase(users[0], "nobody's".to_owned(), 10, at(600_001)).await.unwrap();
    assert_eq!(bed.rollups.recount(None).await.unwrap(), []);
    let sums = bed.rollups.since(Day::new(0)).await.unwrap();
    let of = |name| sums.iter().filter(|it| it.name == name).map(|it| it.value).sum::<i64>();
    assert_eq!(of(RollupName::Revenue), of(RollupName::TotalRevenue));
    assert!(of(RollupName::TotalRevenue) > 0);
    assert!(of(RollupName::SubscriptionsBegun) >= of(RollupName::SubscriptionsEnded));
}
