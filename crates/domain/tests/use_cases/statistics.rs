//! What the record tells whom.

use std::{collections::BTreeMap, time::Duration};

use alpine_domain::{
    account::{Tier, Viewer},
    signal::{Record, View, VisibilityPolicy},
    statistics::{
        EquityCurve, EquityPoint, LateOutcomes, PerformanceRequest, Statistics, SymbolCounts, Told,
    },
    use_cases::Settings,
};

use crate::support::{DAY, MICROSECOND, Offer, Report, START, World, now, settings};

const ADMIN: Viewer = Viewer::Admin;

fn all() -> PerformanceRequest {
    PerformanceRequest {
        symbol: None,
        strategy: None,
        days: None,
        late: LateOutcomes::Exclude,
        record: Record::All,
    }
}

/// Five trades of whole percents, a day between each: +10, -5 (simulated), 0, +20, and late -50.
fn record() -> World {
    let world = World::new();
    let (argo, made_up) = (world.producer("argo", false), world.producer("made-up", true));
    let closed = [
        ("one", "AAPL", Some("momentum"), "110.0", &argo),
        ("two", "AAPL", None, "95.0", &made_up),
        ("three", "MSFT", Some("momentum"), "100.0", &argo),
        ("four", "MSFT", Some("value"), "120.0", &argo),
    ];
    world.submit(&argo, &Offer { symbol: "TSLA", ..Offer::named("late") }).unwrap();
    for ((id, symbol, strategy, price, producer), days) in closed.into_iter().zip(1..) {
        world.at(days * DAY);
        let exited_at = START.later(days * DAY);
        world.submit(producer, &Offer { symbol, strategy, ..Offer::named(id) }).unwrap();
        world.report(producer, &Report { exited_at, ..Report::of(id, price) }).unwrap();
    }
    world.at(30 * DAY + MICROSECOND);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap().0, 1);
    world.report(&argo, &Report::of("late", "50.0")).unwrap();
    world
}

fn statistics(world: &World, viewer: Viewer, request: &PerformanceRequest) -> Told<Statistics> {
    now(world.cases.performance.statistics(viewer, request)).unwrap()
}

#[test]
fn the_figures_are_those_of_the_trades() {
    let world = record();
    let expected = Statistics {
        total_trades: 4,
        winning_trades: 2,
        losing_trades: 2,
        win_rate: 50.0,
        avg_win_pct: 15.0,
        avg_loss_pct: -2.5,
        profit_factor: Some(6.0),
        largest_win_pct: 20.0,
        largest_loss_pct: -5.0,
        mean_return_pct: 6.25,
        simulated_trades: 1,
        late_trades: None,
    };
    let told = statistics(&world, ADMIN, &all());
    assert_eq!(told, Told { answer: expected, expires_at: None });
    let with_late = Statistics {
        total_trades: 5,
        losing_trades: 3,
        win_rate: 40.0,
        avg_loss_pct: -55.0 / 3.0,
        profit_factor: Some(30.0 / 55.0),
        largest_loss_pct: -50.0,
        mean_return_pct: -5.0,
        late_trades: Some(1),
        ..expected
    };
    let request = PerformanceRequest { late: LateOutcomes::Include, ..all() };
    let found = statistics(&world, ADMIN, &request).answer;
    assert!((found.avg_loss_pct - with_late.avg_loss_pct).abs() < 1e-12, "{found:?}");
    assert_eq!(Statistics { avg_loss_pct: with_late.avg_loss_pct, ..found }, with_late);
}

/// The producer of these signals computed its metrics by itself, per instrument.
#[test]
fn the_record_of_real_signals_equals_the_producers_own_metrics() {
    const SIGNALS: &str = include_str!("../data/argo-signals.jsonl");
    const OUTCOMES: &str = include_str!("../data/argo-outcomes.jsonl");
    const METRICS: &str = include_str!("../data/argo-metrics.json");
    let world = World::new();
    // After all of it.
    world.at(730 * DAY);
    let argo = world.producer("argo", false);
    let stored = now(world.cases.intake.submit_batch(&argo, SIGNALS.as_bytes(), 10_000)).unwrap();
    assert_eq!(stored.len(), 1_624);
    for outcome in OUTCOMES.lines() {
        now(world.cases.intake.report_outcome(&argo, outcome.as_bytes())).unwrap();
    }
    let metrics: BTreeMap<String, BTreeMap<&str, f64>> = serde_json::from_str(METRICS).unwrap();
    let mut trades = 0;
    for (symbol, expected) in metrics {
        let request = PerformanceRequest { symbol: Some(symbol.parse().unwrap()), ..all() };
        let Told { answer: told, .. } = statistics(&world, ADMIN, &request);
        trades += told.total_trades;
        let count = |count: u64| f64::from(u32::try_from(count).unwrap());
        let found = BTreeMap::from([
            ("total_trades", count(told.total_trades)),
            ("winning_trades", count(told.winning_trades)),
            ("losing_trades", count(told.losing_trades)),
            ("win_rate", told.win_rate),
            ("avg_win_pct", told.avg_win_pct),
            ("avg_loss_pct", told.avg_loss_pct),
            ("profit_factor", told.profit_factor.unwrap()),
            ("largest_win_pct", told.largest_win_pct),
            ("largest_loss_pct", told.largest_loss_pct),
            ("mean_return_pct", told.mean_return_pct),
        ]);
        assert!(found.keys().eq(expected.keys()), "{symbol}: {found:?}");
        for (key, value) in expected {
            assert!(
                (found[key] - value).abs() <= 1e-6,
                "{symbol} {key}: {} not {value}",
                found[key]
            );
        }
    }
    assert_eq!(trades, 1_624);
}

/// Each field changed alone: how many trades, of them made up, of them late; and their sum in percent.
#[test]
fn every_field_of_a_request_chooses_among_the_trades() {
    let world = record();
    let symbol =
        |symbol: &str| PerformanceRequest { symbol: Some(symbol.parse().unwrap()), ..all() };
    let strategy =
        |name: &str| PerformanceRequest { strategy: Some(name.parse().unwrap()), ..all() };
    let days = |days| PerformanceRequest { days: Some(days), ..all() };
    let late = |request| PerformanceRequest { late: LateOutcomes::Include, ..request };
    for (request, expected) in [
        (all(), (4, 1, None, 25.0)),
        (late(all()), (5, 1, Some(1), -25.0)),
        (symbol("AAPL"), (2, 1, None, 5.0)),
        (symbol("MSFT"), (2, 0, None, 20.0)),
        (symbol("TSLA"), (0, 0, None, 0.0)),
        (late(symbol("TSLA")), (1, 0, Some(1), -50.0)),
        (late(symbol("AAPL")), (2, 1, Some(0), 5.0)),
        (strategy("momentum"), (2, 0, None, 10.0)),
        (strategy("value"), (1, 0, None, 20.0)),
        (late(strategy("value")), (1, 0, Some(0), 20.0)),
        (days(26), (0, 0, None, 0.0)),
        (days(27), (1, 0, None, 20.0)),
        (days(28), (2, 0, None, 20.0)),
        (days(30), (4, 1, None, 25.0)),
        (late(days(30)), (4, 1, Some(0), 25.0)),
        (late(days(31)), (5, 1, Some(1), -25.0)),
    ] {
        let found = statistics(&world, ADMIN, &request).answer;
        let curve = now(world.cases.performance.equity_curve(ADMIN, &request)).unwrap().answer;
        let sum = curve.points.last().map_or(0.0, |point| point.cumulative_pct);
        let figures = (found.total_trades, found.simulated_trades, found.late_trades, sum);
        assert_eq!(figures, expected, "{request:?}");
        let points = (curve.total_points, curve.simulated_points, curve.late_points);
        assert_eq!(points, (expected.0, expected.1, expected.2), "{request:?}");
    }
}

#[test]
fn the_curve_adds_up_in_order_of_receipt() {
    let world = record();
    let point = |days: u32, cumulative_pct| EquityPoint {
        closed_at: START.later(days * DAY),
        received_at: START.later(days * DAY),
        cumulative_pct,
    };
    let in_time = EquityCurve {
        points: vec![point(1, 10.0), point(2, 5.0), point(3, 5.0), point(4, 25.0)],
        total_points: 4,
        simulated_points: 1,
        late_points: None,
    };
    let found = now(world.cases.performance.equity_curve(ADMIN, &all())).unwrap();
    assert_eq!(found, Told { answer: in_time, expires_at: None });
    // The late one closed first, and came last.
    let mut points = vec![point(1, 10.0), point(2, 5.0), point(3, 5.0), point(4, 25.0)];
    let received_at = START.later(30 * DAY + MICROSECOND);
    points.push(EquityPoint { closed_at: START, received_at, cumulative_pct: -25.0 });
    let with_late =
        EquityCurve { points, total_points: 5, simulated_points: 1, late_points: Some(1) };
    let request = PerformanceRequest { late: LateOutcomes::Include, ..all() };
    let found = now(world.cases.performance.equity_curve(ADMIN, &request)).unwrap();
    assert_eq!(found.answer, with_late);
}

#[test]
fn instruments_are_told_with_their_trades() {
    let world = record();
    let counts = |symbol: &str, closed_signals, simulated_signals| SymbolCounts {
        symbol: symbol.parse().unwrap(),
        closed_signals,
        simulated_signals,
    };
    let expected = vec![counts("AAPL", 2, 1), counts("MSFT", 2, 0)];
    let found = now(world.cases.performance.symbols(ADMIN, Record::All)).unwrap();
    assert_eq!(found, Told { answer: expected, expires_at: None });
}

/// Where nothing is delayed, time alone changes nobody's record.
#[test]
fn without_delays_nothing_waits() {
    let at_once = |view: View| View { delay: Duration::ZERO, ..view };
    let policy = VisibilityPolicy::default();
    let visibility = VisibilityPolicy {
        anonymous: at_once(policy.anonymous),
        free: at_once(policy.free),
        ..policy
    };
    let world = World::with(Settings { visibility, ..settings() });
    for viewer in Viewer::ALL {
        assert_eq!(statistics(&world, viewer, &all()).expires_at, None, "{viewer:?}");
    }
}

/// A plain and a premium trade, closed at the beginning: when each reader's record counts them, and when
/// it changes next by the mere passing of time.
#[test]
fn a_trade_counts_once_it_is_released_to_the_reader() {
    const DELAY: Duration = Duration::from_mins(15);
    let free = Viewer::Subscriber(Tier::Free);
    let (starter, pro) = (Viewer::Subscriber(Tier::Starter), Viewer::Subscriber(Tier::Pro));
    for (viewer, at_once, is_late) in [
        (Viewer::Anonymous, 0, true),
        (free, 0, true),
        (starter, 1, false),
        (pro, 2, false),
        (Viewer::Subscriber(Tier::Elite), 3, false),
        (ADMIN, 3, false),
    ] {
        let world = World::new();
        let argo = world.producer("argo", false);
        for (id, confidence) in [("plain", "70.0"), ("premium", "85.0"), ("top", "95.0")] {
            world.submit(&argo, &Offer { confidence, ..Offer::named(id) }).unwrap();
            world.report(&argo, &Report::of(id, "101.0")).unwrap();
        }
        for (span, expected) in
            [(Duration::ZERO, at_once), (DELAY - MICROSECOND, at_once), (DELAY, 3)]
        {
            world.at(span);
            let case = format!("{viewer:?} after {span:?}");
            let told = statistics(&world, viewer, &all());
            assert_eq!(told.answer.total_trades, expected, "{case}");
            let curve = now(world.cases.performance.equity_curve(viewer, &all())).unwrap();
            assert_eq!(curve.answer.total_points, expected, "{case}");
            let symbols = now(world.cases.performance.symbols(viewer, Record::All)).unwrap();
            let closed: u64 = symbols.answer.iter().map(|row| row.closed_signals).sum();
            assert_eq!(closed, expected, "{case}");
            // Who sees all at once waits for nothing; others for what is hidden, or could come now.
            let waits = is_late || viewer == starter || viewer == pro;
            let next = if expected == 3 { START.later(span + DELAY) } else { START.later(DELAY) };
            let next = waits.then_some(next);
            let found = [told.expires_at, curve.expires_at, symbols.expires_at];
            assert_eq!(found, [next; 3], "{case}");
        }
    }
}

/// Of what waits for its release, in the reader's range and out of it, the first to come ends the answer.
#[test]
fn a_record_changes_with_what_is_released_first() {
    const EARLY: Duration = Duration::from_mins(5);
    let policy = VisibilityPolicy::default();
    let starter = View { delay: EARLY, ..policy.starter };
    let public = policy.anonymous.delay;
    let world =
        World::with(Settings { visibility: VisibilityPolicy { starter, ..policy }, ..settings() });
    let argo = world.producer("argo", false);
    let close = |id, confidence| {
        world.submit(&argo, &Offer { confidence, ..Offer::named(id) }).unwrap();
        world.report(&argo, &Report::of(id, "101.0")).unwrap();
    };
    let next = || statistics(&world, Viewer::Subscriber(Tier::Starter), &all()).expires_at;
    close("hidden", "99.0");
    let plain = public - EARLY + MICROSECOND;
    world.at(plain);
    close("plain", "70.0");
    assert_eq!(next(), Some(START.later(public)), "the hidden one is public first");
    world.at(public);
    assert_eq!(next(), Some(START.later(plain + EARLY)), "the plain one is next");
}

/// History and simulations are in the figures of who asks for them, and each result in one part.
#[test]
fn history_counts_for_who_asks_for_it() {
    let world = World::new();
    let (argo, made_up) = (world.producer("argo", false), world.producer("made-up", true));
    let signals = [
        ("live", Duration::ZERO, "101.0", &argo),
        ("just-live", DAY, "102.0", &argo),
        ("old", DAY + MICROSECOND, "104.0", &argo),
        ("simulated", DAY * 2, "116.0", &made_up),
    ];
    world.at(DAY * 3);
    let received = START.later(DAY * 3);
    for (id, age, price, producer) in signals {
        let timestamp = received.earlier(age);
        world.submit(producer, &Offer { timestamp, symbol: "AAPL", ..Offer::named(id) }).unwrap();
        let report = Report { exited_at: received, ..Report::of(id, price) };
        world.report(producer, &report).unwrap();
    }
    // A signal that came when its position had ended already.
    let late = Offer { timestamp: received, ..Offer::named("ended") };
    world.at(DAY * 3 + Duration::from_mins(2));
    world.submit(&argo, &late).unwrap();
    let report = Report { exited_at: received, ..Report::of("ended", "132.0") };
    world.report(&argo, &report).unwrap();

    for (record, trades, sum) in [
        (Record::Live, 2, 3.0),
        (Record::Backfilled, 2, 36.0),
        (Record::Simulated, 1, 16.0),
        (Record::All, 5, 55.0),
    ] {
        let request = PerformanceRequest { record, ..all() };
        let found = statistics(&world, ADMIN, &request).answer;
        let curve = now(world.cases.performance.equity_curve(ADMIN, &request)).unwrap().answer;
        let end = curve.points.last().map_or(0.0, |point| point.cumulative_pct);
        assert_eq!(
            (found.total_trades, curve.total_points, end),
            (trades, trades, sum),
            "{record}"
        );
        let symbols = now(world.cases.performance.symbols(ADMIN, record)).unwrap().answer;
        let counted: u64 = symbols.iter().map(|row| row.closed_signals).sum();
        assert_eq!(counted, trades, "{record}");
    }
}
