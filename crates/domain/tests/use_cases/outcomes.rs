//! How signals end.

use std::time::Duration;

use alpine_domain::{
    Error,
    account::Viewer,
    error::ConflictKind,
    signal::{Outcome, PnlPercent, Signal, SignalStatus},
};

use crate::support::{DAY, MICROSECOND, Offer, Report, START, World, now, told};

use SignalStatus::{Closed, Expired, StopHit, TargetHit};

/// A BUY and its mirror, a SELL, each at 100 with a target and a stop 10 away.
fn mirrored(action: &'static str) -> Offer {
    let (target, stop) = if action == "BUY" { ("110.0", "90.0") } else { ("90.0", "110.0") };
    Offer { action, target: Some(target), stop: Some(stop), ..Offer::named("SIG-1") }
}

fn percent(steps: i64) -> PnlPercent {
    PnlPercent::from_steps(steps * PnlPercent::SCALE / 100)
}

/// The prices tell, unless the producer says how it ended; a target or a stop that the prices do not reach is
/// refused, with the status and the price named.
#[test]
fn an_outcome_is_told_by_the_prices_unless_its_producer_says_it() {
    for (action, price, status, steps) in [
        ("BUY", "110.01", TargetHit, 1_001),
        ("BUY", "110.0", TargetHit, 1_000),
        ("BUY", "109.99", Closed, 999),
        ("BUY", "100.0", Closed, 0),
        ("BUY", "90.01", Closed, -999),
        ("BUY", "90.0", StopHit, -1_000),
        ("BUY", "89.99", StopHit, -1_001),
        ("SELL", "89.99", TargetHit, 1_001),
        ("SELL", "90.0", TargetHit, 1_000),
        ("SELL", "90.01", Closed, 999),
        ("SELL", "100.0", Closed, 0),
        ("SELL", "109.99", Closed, -999),
        ("SELL", "110.0", StopHit, -1_000),
        ("SELL", "110.01", StopHit, -1_001),
    ] {
        let said = ["target_hit", "stop_hit", "closed", "expired"];
        for reported in std::iter::once(None).chain(said.map(Some)) {
            let world = World::new();
            let argo = world.producer("argo", false);
            let id = world.submit(&argo, &mirrored(action)).unwrap().id;
            world.at(Duration::from_mins(30));
            let exited_at = START.later(Duration::from_mins(20));
            let report = Report { status: reported, exited_at, ..Report::of("SIG-1", price) };
            let answer = world.report(&argo, &report);
            let is_limit = matches!(reported, Some("target_hit" | "stop_hit"));
            if is_limit && reported != Some(status.as_str()) {
                let Err(Error::Invalid(errors)) = answer else { panic!("{report:?}: {answer:?}") };
                let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
                assert_eq!(fields, ["status", "exit_price"], "{report:?}");
                let kept = now(world.cases.catalogue.find(Viewer::Admin, id)).unwrap();
                assert_eq!(kept.outcome, None, "{report:?}");
                continue;
            }
            let (signal, is_new) = answer.unwrap();
            let expected = Outcome {
                status: reported.map_or(status, |said| said.parse().unwrap()),
                exit_price: Some(price.parse().unwrap()),
                pnl: Some(percent(steps)),
                exit_timestamp: Some(exited_at.to_string()),
                closed_at: exited_at,
                recorded_at: START.later(Duration::from_mins(30)),
            };
            assert_eq!((signal.outcome.as_ref(), is_new), (Some(&expected), true), "{report:?}");
            let kept = now(world.cases.catalogue.find(Viewer::Admin, id)).unwrap();
            assert_eq!(kept, signal, "{report:?}");
        }
    }
}

#[test]
fn a_producer_cannot_report_an_outcome_as_open() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("SIG-1")).unwrap();
    let report = Report { status: Some("open"), ..Report::of("SIG-1", "101.0") };
    let reason = "invalid input: status: must be one of: target_hit stop_hit closed expired";
    assert_eq!(told(world.report(&argo, &report)), reason);
}

/// Without a target or a stop, nothing is reached.
#[test]
fn what_has_no_target_hits_none() {
    for action in ["BUY", "SELL"] {
        for price in ["0.01", "1000.0"] {
            let world = World::new();
            let argo = world.producer("argo", false);
            world.submit(&argo, &Offer { action, ..Offer::named("SIG-1") }).unwrap();
            for (said, limit) in [("target_hit", "target_price"), ("stop_hit", "stop_price")] {
                let report = Report { status: Some(said), ..Report::of("SIG-1", price) };
                let reason = format!(
                    "invalid input: status: contradicts exit_price {price}: the signal has no {limit}; \
                     exit_price: does not reach what status says: the signal has no {limit}"
                );
                assert_eq!(told(world.report(&argo, &report)), reason);
            }
            let (signal, _) = world.report(&argo, &Report::of("SIG-1", price)).unwrap();
            assert_eq!(signal.status(), Closed, "{action} {price}");
        }
    }
}

#[test]
fn an_exit_lies_at_or_after_the_signal() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("SIG-1")).unwrap();
    let exit = |exited_at| Report { exited_at, ..Report::of("SIG-1", "101.0") };
    let refused = told(world.report(&argo, &exit(START.earlier(MICROSECOND))));
    let reason =
        format!("invalid input: exit_timestamp: lies before the signal's own time, {START}");
    assert_eq!(refused, reason);
    let (signal, _) = world.report(&argo, &exit(START)).unwrap();
    assert_eq!(signal.outcome.unwrap().closed_at, START);
}

/// What is told again and says the same is a repeat; whatever differs is a conflict and changes nothing.
fn repeats_and_conflicts(world: &World, first: &Signal) {
    let argo = now(world.cases.producers.list()).unwrap().remove(0);
    let same = Report::of("SIG-1", "110.0");
    let later = START.later(MICROSECOND);
    world.clock.advance(Duration::from_secs(5));
    for (again, repeats) in [
        (same.clone(), true),
        (Report { price: "110.00", ..same.clone() }, true),
        (Report { price: "1.1e2", ..same.clone() }, true),
        (Report { status: Some("target_hit"), ..same.clone() }, true),
        (Report { status: Some("closed"), ..same.clone() }, false),
        (Report { price: "110.01", ..same.clone() }, false),
        (Report { exited_at: later, ..same }, false),
    ] {
        let answer = world.report(&argo, &again);
        if repeats {
            let (signal, is_new) = answer.unwrap();
            assert_eq!((&signal, is_new), (first, false), "{again:?}");
        } else {
            let Err(Error::Conflict(conflict)) = answer else { panic!("{again:?}: {answer:?}") };
            let found = (conflict.kind, conflict.existing_signal);
            assert_eq!(found, (ConflictKind::OutcomeConflict, Some(first.id)), "{again:?}");
        }
        let kept = now(world.cases.catalogue.find(Viewer::Admin, first.id)).unwrap();
        assert_eq!(&kept, first, "{again:?}");
    }
}

#[test]
fn an_outcome_is_reported_once() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &mirrored("BUY")).unwrap();
    let (closed, is_new) = world.report(&argo, &Report::of("SIG-1", "110.0")).unwrap();
    assert_eq!((closed.status(), is_new), (TargetHit, true));
    repeats_and_conflicts(&world, &closed);
    let conflict = told(world.report(&argo, &Report::of("SIG-1", "1.0")));
    assert_eq!(conflict, "signal SIG-1 ended before as target_hit; an outcome never changes");
}

#[test]
fn a_late_outcome_stands_beside_the_expiry() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &mirrored("BUY")).unwrap();
    world.at(31 * DAY);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap().0, 1);
    let expired_at = START.later(31 * DAY);
    world.at(32 * DAY);
    let (late, is_new) = world.report(&argo, &Report::of("SIG-1", "110.0")).unwrap();
    let expected = Outcome {
        status: TargetHit,
        exit_price: Some("110.0".parse().unwrap()),
        pnl: Some(percent(1_000)),
        exit_timestamp: Some(START.to_string()),
        closed_at: START,
        recorded_at: START.later(32 * DAY),
    };
    assert_eq!((late.outcome.clone(), is_new), (Some(Outcome::expired(expired_at)), true));
    assert_eq!((late.status(), late.late_outcome.clone()), (Expired, Some(expected)));
    repeats_and_conflicts(&world, &late);
    let conflict = told(world.report(&argo, &Report::of("SIG-1", "1.0")));
    assert_eq!(
        conflict,
        "signal SIG-1 expired, and its late outcome is target_hit already; an outcome never changes"
    );
}

#[test]
fn an_outcome_is_taken_from_the_signals_own_producer() {
    let world = World::new();
    let (argo, zeus) = (world.producer("argo", false), world.producer("zeus", false));
    let id = world.submit(&argo, &Offer::named("SIG-1")).unwrap().id;
    for (producer, name) in [(&zeus, "SIG-1"), (&argo, "SIG-2")] {
        let refused = world.report(producer, &Report::of(name, "101.0"));
        assert_eq!(told(refused), "signal not found");
    }
    let kept = now(world.cases.catalogue.find(Viewer::Admin, id)).unwrap();
    assert_eq!(kept.status(), SignalStatus::Open);
}
