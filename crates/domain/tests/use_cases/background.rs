//! What happens without being asked for: expiry and retention.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    AgreedTime, Result, Timestamp,
    account::{Role, SignOut, Tier, Viewer},
    event::{CommitHandler, CommittedEvent, Event, InstanceMemory, tags},
    ports::events::{EventHandler, EventLog, LoggedEvent},
    retention::{Deleted, Progress, RetentionRun as _, RetentionSettings, RetentionStep},
    signal::{Expiry, ExpiryEnd, ExpirySettings, Outcome, Signal},
    use_cases::Settings,
};

use async_trait::async_trait;

use crate::support::{
    DAY, MICROSECOND, Offer, Report, Restarts, START, World, is_let_in, now, settings,
};

fn expiring(settings: ExpirySettings) -> World {
    World::with(Settings { expiry: settings, ..crate::support::settings() })
}

/// A signal is open for its horizon, that instant included, and ends once.
#[test]
fn a_signal_expires_at_its_horizon_and_not_before() {
    let horizons = BTreeMap::from([
        ("long".parse().unwrap(), 40 * DAY),
        ("short".parse().unwrap(), Duration::from_hours(1)),
    ]);
    let world = expiring(ExpirySettings {
        expires_after: 10 * DAY,
        expires_after_by_strategy: horizons,
        ..ExpirySettings::default()
    });
    let argo = world.producer("argo", false);
    let cases = [
        ("SIG-1", Some("short"), Duration::from_hours(1)),
        ("SIG-2", None, 10 * DAY),
        ("SIG-3", Some("other"), 10 * DAY),
        ("SIG-4", Some("long"), 40 * DAY),
    ];
    let ids = cases.map(|(id, strategy, _)| {
        world.submit(&argo, &Offer { strategy, ..Offer::named(id) }).unwrap().id
    });
    for (hours, expected) in [(1, [1, 0, 0, 0]), (240, [1, 1, 1, 0]), (960, [1, 1, 1, 1])] {
        let horizon = Duration::from_hours(hours);
        let open = || ids.map(|id| now(world.cases.catalogue.find(Viewer::Admin, id)).unwrap());
        let before = open();
        world.at(horizon);
        assert_eq!(now(world.cases.expiry.run_once()).unwrap(), (0, ExpiryEnd::Done), "{hours}");
        assert_eq!(open(), before, "{hours}");
        world.at(horizon + MICROSECOND);
        let is_due = |(signal, ends): (&Signal, i32)| signal.outcome.is_none() && ends == 1;
        let count = before.iter().zip(expected).filter(|due| is_due(*due)).count();
        let count = u32::try_from(count).unwrap();
        let answer = now(world.cases.expiry.run_once()).unwrap();
        assert_eq!(answer, (count, ExpiryEnd::Done), "{hours}");
        assert_eq!(now(world.cases.expiry.run_once()).unwrap(), (0, ExpiryEnd::Done), "{hours}");
        let after = open();
        assert_eq!(after.each_ref().map(|signal| i32::from(signal.has_expired())), expected);
        let newly = after.iter().zip(&before).filter(|(now, then)| now != then);
        for (signal, _) in newly {
            let expired = Outcome::expired(START.later(horizon + MICROSECOND));
            assert_eq!(signal.outcome, Some(expired), "{hours}");
        }
    }
}

#[test]
fn what_has_ended_does_not_expire() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("SIG-1")).unwrap();
    let (closed, _) = world.report(&argo, &Report::of("SIG-1", "101.0")).unwrap();
    world.at(100 * DAY);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap(), (0, ExpiryEnd::Done));
    assert_eq!(now(world.cases.catalogue.find(Viewer::Admin, closed.id)).unwrap(), closed);
}

/// Fewer than one run may end, exactly as many, and more, below and above what one transaction ends.
#[test]
fn a_run_of_expiry_is_bounded() {
    use ExpiryEnd::{Bound, Done};
    for (bound, signals, runs) in [
        (3, 2, vec![(2, Done), (0, Done)]),
        (3, 3, vec![(3, Bound), (0, Done)]),
        (3, 4, vec![(3, Bound), (1, Done), (0, Done)]),
        (501, 500, vec![(500, Done), (0, Done)]),
        (501, 502, vec![(501, Bound), (1, Done)]),
    ] {
        let settings = ExpirySettings { max_expired_per_run: bound, ..ExpirySettings::default() };
        let world = expiring(settings);
        let argo = world.producer("argo", false);
        let lines = (0..signals).map(|n| Offer::named(&format!("SIG-{n}")).body());
        let body = lines.collect::<Vec<_>>().join(&b'\n');
        now(world.cases.intake.submit_batch(&argo, &body, 1_000)).unwrap();
        world.at(60 * DAY);
        for expected in runs {
            let found = now(world.cases.expiry.run_once()).unwrap();
            assert_eq!(found, expected, "{signals} of {bound}");
        }
    }
}

/// Clocks that agree once, and differ from then on.
#[derive(Default)]
struct AgreesOnce(AtomicBool);

impl AgreedTime for AgreesOnce {
    fn agreed_now(&self) -> Option<Timestamp> {
        (!self.0.swap(true, Ordering::SeqCst)).then(|| START.later(60 * DAY))
    }
}

/// The clocks are asked before each transaction: what one has ended stays so.
#[test]
fn a_run_of_expiry_goes_no_further_once_the_clocks_differ() {
    let world = World::new();
    let argo = world.producer("argo", false);
    let lines = (0..501).map(|n| Offer::named(&format!("SIG-{n}")).body());
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    now(world.cases.intake.submit_batch(&argo, &body, 1_000)).unwrap();
    let time = Arc::new(AgreesOnce::default());
    let expiry = Expiry::new(world.stores.signals.clone(), time, ExpirySettings::default());
    assert_eq!(now(expiry.run_once()).unwrap(), (500, ExpiryEnd::ClocksDiffer));
}

/// Sessions a day after their end, keys two days after it.
fn keeping(max_rows_per_run: u64) -> World {
    let retention = RetentionSettings {
        sessions_after: DAY,
        api_keys_after: 2 * DAY,
        max_rows_per_run,
        ..RetentionSettings::default()
    };
    World::with(Settings { retention, ..settings() })
}

fn step(world: &World, run: &mut Progress) -> RetentionStep {
    now(world.cases.retention.step(run)).unwrap()
}

/// A whole run: what it deleted at each step, and how it ended.
fn run(world: &World) -> (Vec<Deleted>, RetentionStep) {
    let (mut steps, mut progress) = (Vec::new(), Progress::default());
    loop {
        match step(world, &mut progress) {
            RetentionStep::Deleted(deleted) => steps.push(deleted),
            end => return (steps, end),
        }
    }
}

const fn deleted(sessions: u64, refresh_tokens: u64, api_keys: u64) -> Deleted {
    Deleted {
        sessions,
        refresh_tokens,
        api_keys,
        jobs: 0,
        audit: 0,
        notifications: 0,
        payment_events: 0,
        keyed_requests: 0,
        sign_ups: 0,
        address_changes: 0,
        events: 0,
    }
}

#[test]
fn a_session_is_kept_for_so_long_after_its_end() {
    let world = keeping(1_000);
    let ada = world.sign_up("ada@example.com");
    let refreshed = now(world.cases.accounts.refresh(None, ada.refresh_token.reveal())).unwrap();
    let session = || now(world.cases.accounts.session_of(refreshed.refresh_token.reveal())).ok();
    world.at(31 * DAY);
    assert_eq!(run(&world), (vec![], RetentionStep::Done));
    assert_eq!(session(), Some(ada.session));
    world.at(31 * DAY + MICROSECOND);
    assert_eq!(run(&world), (vec![deleted(1, 2, 0)], RetentionStep::Done));
    assert_eq!(session(), None);
    assert!(world.sign_in("ada@example.com").is_ok(), "the account stays");
}

#[test]
fn a_key_is_kept_for_so_long_after_its_end() {
    let world = keeping(1_000);
    let ada = world.sign_up("ada@example.com").account;
    now(world.cases.accounts.set_tier_and_role(&ada, Tier::Elite, Role::User)).unwrap();
    let state = world.state(ada.id);
    let make = |ends: Option<u32>| {
        let ends = ends.map(|days| START.later(days * DAY));
        now(world.cases.accounts.create_api_key(ada.id, state, "bot", None, ends)).unwrap()
    };
    make(Some(1));
    make(Some(5));
    let (revoked, _) = make(Some(5));
    let (forever, secret) = make(None);
    world.at(3 * DAY);
    assert_eq!(run(&world), (vec![], RetentionStep::Done));
    now(world.cases.accounts.revoke_api_key(ada.id, revoked.id)).unwrap();
    for (days, count) in [(3, 1), (5, 1), (7, 1)] {
        world.at(days * DAY);
        assert_eq!(run(&world), (vec![], RetentionStep::Done), "{days}");
        world.at(days * DAY + MICROSECOND);
        let expected = (vec![deleted(0, 0, count)], RetentionStep::Done);
        assert_eq!(run(&world), expected, "{days}");
    }
    assert_eq!(now(world.cases.accounts.list_api_keys(ada.id)).unwrap(), [forever]);
    assert!(now(world.cases.authenticator.key(secret.reveal())).is_ok());
}

/// The step that reaches the bound is finished, and the next one says why there is none.
#[test]
fn a_run_of_retention_is_bounded() {
    for (bound, ends) in
        [(1, RetentionStep::Bound), (4, RetentionStep::Bound), (5, RetentionStep::Done)]
    {
        let world = keeping(bound);
        world.sign_up("ada@example.com");
        world.sign_in("ada@example.com").unwrap();
        world.at(60 * DAY);
        assert_eq!(run(&world), (vec![deleted(2, 2, 0)], ends), "{bound}");
    }
}

/// The rows that a run has passed are not looked at again.
#[test]
fn a_run_remembers_how_far_it_got() {
    let world = keeping(1_000);
    world.sign_up("ada@example.com");
    world.at(60 * DAY);
    let mut progress = Progress::default();
    assert_eq!(step(&world, &mut progress), RetentionStep::Deleted(deleted(1, 1, 0)));
    assert_eq!(progress.rows, 2);
    assert_eq!(step(&world, &mut progress), RetentionStep::Done);
    assert_eq!(progress.rows, 2);
}

#[test]
fn nothing_ends_while_the_clocks_differ() {
    let world = keeping(1_000);
    world.sign_up("ada@example.com");
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("SIG-1")).unwrap();
    world.at(60 * DAY);
    world.agreement.holds.store(false, Ordering::SeqCst);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap(), (0, ExpiryEnd::ClocksDiffer));
    assert_eq!(run(&world), (vec![], RetentionStep::ClocksDiffer));
    world.agreement.holds.store(true, Ordering::SeqCst);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap(), (1, ExpiryEnd::Done));
    assert_eq!(run(&world), (vec![deleted(1, 1, 0)], RetentionStep::Done));
}

/// A log that is read while events come from elsewhere: what it tells is older than they are.
struct Overtaken<'a> {
    memory: &'a InstanceMemory,
    events: Vec<CommittedEvent>,
}

#[async_trait]
impl EventLog for Overtaken<'_> {
    async fn head(&self) -> Result<i64> {
        Ok(0)
    }

    async fn read_after(&self, _: i64, _: u32) -> Result<Vec<LoggedEvent>> {
        Ok(Vec::new())
    }

    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        self.memory.committed(&self.events);
        Ok(Vec::new())
    }

    async fn prune_chunk(&self, _: Timestamp, from: i64) -> Result<(u64, i64)> {
        Ok((0, from))
    }
}

/// What was applied while an instance began anew counts, and only what instances share has a generation
/// that is the same on all of them.
#[test]
fn an_instance_begins_anew_with_what_came_meanwhile() {
    let world = World::new();
    let user = world.sign_up("ada@example.com").account.id;
    let cache = Arc::new(Restarts::default());
    let cases = world.sibling(cache.clone());
    let published = Event::SignalPublished {
        signal: alpine_domain::signal::SignalId::new(1),
        confidence: Some(99.0),
    };
    let events = vec![
        CommittedEvent { seq: 7, event: Event::AccountChanged { user } },
        CommittedEvent { seq: 8, event: published },
    ];
    let log = Overtaken { memory: &cases.memory, events };
    now(EventHandler::reset(&*cases.memory, &log)).unwrap();
    let expected: HashMap<_, _> = tags::shared()
        .map(|tag| {
            let told = [Viewer::Subscriber(Tier::Elite), Viewer::Admin];
            let is_told = [told.map(tags::signals), told.map(tags::performance)].concat();
            let generation = if is_told.contains(&tag) { 8 } else { 0 };
            (tag, generation)
        })
        .collect();
    let restarts = cache.0.lock().unwrap();
    assert_eq!(restarts.len(), 1);
    assert_eq!(restarts[0].iter().cloned().collect::<HashMap<_, _>>(), expected);
}

/// What was remembered of accounts and keys counts no longer once an instance has begun anew.
#[test]
fn an_instance_that_begins_anew_looks_up_again_who_is_who() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let (argo, key) = now(world.cases.producers.create("argo", false)).unwrap();
    let other = world.restarted();
    let knows_key = || now(other.authenticator.key(key.reveal())).is_ok();
    let lets_in = || (is_let_in(&other, &ada.access_token), knows_key());
    assert_eq!(lets_in(), (true, true));
    now(world.cases.accounts.sign_out_everywhere(ada.account.id, SignOut::Sessions)).unwrap();
    now(world.cases.producers.disable(argo.id)).unwrap();
    assert_eq!(lets_in(), (true, true), "nobody has told it");
    now(EventHandler::reset(&*other.memory, &*world.stores.events)).unwrap();
    assert_eq!(lets_in(), (false, false));
}
