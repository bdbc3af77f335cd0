//! Figures over sums, and what an instance counts until it adds it to them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alpine_domain::{
    Clock as _, Error, Result, Timestamp,
    account::{AccountChanges, Tier, UserId},
    analytics::{
        Analytics, Answer, Counted, Day, Figures, Periods, Rollup, RollupDifference, RollupKey,
        RollupName, RollupStore, Usage,
    },
    time::ManualClock,
};
use alpine_memory::Memory;
use async_trait::async_trait;

use crate::support::{DAY, MICROSECOND, World, now};

/// A Wednesday in the middle of a month.
const NOON: &str = "2025-01-15T12:00:00Z";

struct Desk {
    clock: Arc<ManualClock>,
    store: Arc<Fading>,
    analytics: Analytics,
    usage: Usage,
}

/// A store that is away when it is told so.
struct Fading {
    memory: Memory,
    is_away: AtomicBool,
}

impl Fading {
    fn check(&self) -> Result<()> {
        let is_away = self.is_away.load(Ordering::SeqCst);
        if is_away { Err(Error::unavailable("the database", "for the test")) } else { Ok(()) }
    }
}

#[async_trait]
impl RollupStore for Fading {
    async fn add(&self, counted: Vec<Counted>) -> Result<()> {
        self.check()?;
        self.memory.add(counted).await
    }

    async fn note_active(&self, users: Vec<UserId>, day: Day) -> Result<()> {
        self.check()?;
        self.memory.note_active(users, day).await
    }

    async fn since(&self, first: Day) -> Result<Vec<Rollup>> {
        self.memory.since(first).await
    }

    async fn recount(&self, repaired_at: Option<Timestamp>) -> Result<Vec<RollupDifference>> {
        self.memory.recount(repaired_at).await
    }
}

impl Desk {
    fn over(memory: Memory) -> Self {
        let start = Timestamp::parse_rfc3339(NOON).unwrap();
        let clock = Arc::new(ManualClock::starting_at(start));
        let store = Arc::new(Fading { memory, is_away: AtomicBool::new(false) });
        let analytics = Analytics::new(store.clone(), clock.clone());
        let usage = Usage::new(store.clone(), clock.clone());
        Self { clock, store, analytics, usage }
    }

    fn new() -> Self {
        Self::over(Memory::new())
    }

    fn set(&self, to: Timestamp) {
        let from = self.clock.now();
        self.clock.advance(to.since(from));
        self.clock.set_back(from.since(to));
    }

    fn figures(&self) -> Figures {
        now(self.analytics.figures()).unwrap()
    }

    fn flush(&self) -> Result<()> {
        now(self.usage.flush()).map(|_| ())
    }

    fn add(&self, name: RollupName, date: &str, value: i64) {
        let day = Day::of(Timestamp::parse_rfc3339(&format!("{date}T00:00:00Z")).unwrap());
        let key = if name == RollupName::Signals {
            RollupKey::signals(day, false)
        } else {
            RollupKey::of(name, day)
        };
        now(self.store.add(vec![(key, value)])).unwrap();
    }
}

#[test]
fn a_period_begins_at_midnight_on_monday_and_on_the_first() {
    let desk = Desk::new();
    // Powers of ten, so that a sum names its days.
    let days = [
        ("2024-12-31", 1),
        ("2025-01-01", 10),
        ("2025-01-12", 100),
        ("2025-01-13", 1_000),
        ("2025-01-14", 10_000),
        ("2025-01-15", 100_000),
        ("2025-01-16", 1_000_000),
    ];
    let names =
        [RollupName::SignUps, RollupName::Signals, RollupName::Delivered, RollupName::Requests];
    for name in names {
        for (date, value) in days {
            desk.add(name, date, value);
        }
    }
    let figures = desk.figures();
    let expected = Periods { today: 100_000, this_week: 111_000, this_month: 111_110 };
    for periods in [figures.new_users, figures.signals, figures.delivered, figures.requests] {
        assert_eq!(periods, expected);
    }
    let simulated = RollupKey::signals(Day::of(desk.clock.now()), true);
    now(desk.store.add(vec![(simulated, 5)])).unwrap();
    assert_eq!(desk.figures().signals, expected);
}

#[test]
fn a_week_and_the_active_users_reach_into_the_month_before() {
    let desk = Desk::new();
    desk.set(Timestamp::parse_rfc3339("2025-01-01T00:00:00Z").unwrap());
    desk.add(RollupName::Requests, "2024-12-29", 1);
    desk.add(RollupName::Requests, "2024-12-30", 10);
    desk.add(RollupName::Requests, "2025-01-01", 100);
    let requests = desk.figures().requests;
    assert_eq!((requests.today, requests.this_week, requests.this_month), (100, 110, 100));
    for (date, value) in
        [("2024-12-02", 1), ("2024-12-03", 10), ("2025-01-01", 100), ("2025-01-02", 1_000)]
    {
        desk.add(RollupName::Active, date, value);
    }
    assert_eq!(desk.figures().active_users, 110);
}

#[test]
fn rates_are_percents_and_nothing_without_requests() {
    let desk = Desk::new();
    let rates = || {
        let figures = desk.figures();
        (figures.error_rate(), figures.cache_hit_rate())
    };
    assert_eq!(rates(), (0.0, 0.0));
    for (status, times) in [(200, 996), (500, 1), (503, 2), (429, 1)] {
        (0..times).for_each(|_| desk.usage.answered(status));
    }
    let (latest, plan) = (desk.usage.route("latest"), desk.usage.route("plan"));
    for (route, is_hit) in
        [(&latest, Some(true)), (&plan, Some(true)), (&latest, Some(false)), (&plan, None)]
    {
        desk.usage.served(route, Answer { is_hit, signals: 7 });
    }
    desk.flush().unwrap();
    assert_eq!(rates(), (0.3, 66.67));
    let figures = desk.figures();
    assert_eq!((figures.errors_today, figures.limited_today), (3, 1));
    assert_eq!((figures.requests.today, figures.delivered.today), (1_000, 28));
    let by_route: Vec<_> = figures
        .cache_by_route
        .iter()
        .map(|it| (it.route.as_str(), it.hits, it.misses, it.hit_rate()))
        .collect();
    assert_eq!(by_route, [("latest", 1, 1, 50.0), ("plan", 1, 0, 100.0)]);
    desk.flush().unwrap();
    assert_eq!(desk.figures(), figures, "nothing is added twice");
}

#[test]
fn what_was_answered_before_midnight_counts_before_it() {
    let desk = Desk::new();
    desk.set(Timestamp::parse_rfc3339("2025-01-15T23:59:59Z").unwrap());
    desk.usage.answered(200);
    desk.set(Timestamp::parse_rfc3339("2025-01-16T00:00:00Z").unwrap());
    desk.usage.answered(200);
    desk.usage.answered(200);
    desk.flush().unwrap();
    let requests = desk.figures().requests;
    assert_eq!((requests.today, requests.this_week), (2, 3));
}

#[test]
fn what_cannot_be_written_is_counted_on() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account.id;
    let desk = Desk::over(world.memory.clone());
    desk.set(desk.clock.now().later(DAY));
    desk.store.is_away.store(true, Ordering::SeqCst);
    desk.usage.answered(200);
    let latest = desk.usage.route("latest");
    desk.usage.served(&latest, Answer { is_hit: Some(false), signals: 0 });
    desk.usage.called(ada);
    assert!(desk.flush().is_err() && desk.flush().is_err());
    desk.store.is_away.store(false, Ordering::SeqCst);
    desk.usage.answered(200);
    desk.flush().unwrap();
    let figures = desk.figures();
    assert_eq!((figures.requests.today, figures.active_users), (2, 1));
    assert_eq!(figures.cache_misses_today, 1);
    let flushed = now(desk.usage.flush()).unwrap();
    assert_eq!((flushed.sums, flushed.users), (0, 0));
}

#[test]
fn a_user_is_noted_once_a_day_and_is_active_for_thirty() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account.id;
    let desk = Desk::over(world.memory.clone());
    let noted = || {
        desk.usage.called(ada);
        now(desk.usage.flush()).unwrap().users
    };
    assert_eq!([noted(), noted()], [1, 0]);
    let midnight = Timestamp::parse_rfc3339("2025-01-16T00:00:00Z").unwrap();
    desk.set(midnight.earlier(MICROSECOND));
    assert_eq!(noted(), 0);
    desk.set(midnight);
    assert_eq!([noted(), noted()], [1, 0]);
    for (days, active) in [(29, 1), (30, 0)] {
        desk.set(midnight.later(DAY * days));
        assert_eq!(desk.figures().active_users, active, "after {days} days");
    }
}

#[test]
fn users_are_told_by_tier_and_deleted_ones_nowhere() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account.id;
    world.sign_up("bob@example.com");
    let pro = AccountChanges { tier: Some(Tier::Pro), is_active: None };
    now(world.cases.administration.change(ada, pro, None)).unwrap();
    let figures = now(world.cases.analytics.figures()).unwrap();
    let by_tier = [(Tier::Free, 1), (Tier::Starter, 0), (Tier::Pro, 1), (Tier::Elite, 0)];
    assert_eq!((figures.total_users, figures.users_by_tier), (2, by_tier.to_vec()));
    assert_eq!((figures.active_users, figures.new_users.today), (2, 2));
    assert_eq!(now(world.cases.analytics.recount(true)).unwrap(), []);
}
