//! What the record tells whom.

use std::{collections::BTreeMap, time::Duration};

use alpine_domain::{
    account::{Tier, Viewer},
    analytics::Day,
    signal::{Record, View, VisibilityPolicy},
    statistics::{
        Choice, Coverage, Drawdown, EquityPoint, LateOutcomes, MonthFigures, PerformanceRequest,
        Period, Span, Statistics, Told, WeekdayFigures,
    },
    use_cases::Settings,
};

use crate::support::{DAY, MICROSECOND, Offer, Report, START, World, now, settings};

const ADMIN: Viewer = Viewer::Admin;

fn all() -> PerformanceRequest {
    PerformanceRequest {
        choice: Choice::default(),
        span: Span::Between(Period::default()),
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

fn of(choice: Choice) -> PerformanceRequest {
    PerformanceRequest { choice, ..all() }
}

fn of_symbol(symbol: &str) -> PerformanceRequest {
    of(Choice { symbol: Some(symbol.parse().unwrap()), ..Choice::default() })
}

fn statistics(world: &World, viewer: Viewer, request: &PerformanceRequest) -> Told<Statistics> {
    now(world.cases.performance.statistics(viewer, request)).unwrap()
}

/// By hand: +10, -5, 0, +20, a day between each; one signal of five expired without a stop.
#[test]
fn the_figures_are_those_of_the_trades() {
    let world = record();
    let month =
        MonthFigures { month: Day::of(START).month_begin(), trades: 4, wins: 2, sum_pct: 25.0 };
    let weekday = |days: u32, wins, sum_pct| WeekdayFigures {
        weekday: Day::of(START.later(days * DAY)).weekday(),
        trades: 1,
        wins,
        sum_pct,
    };
    let mut by_weekday =
        vec![weekday(1, 1, 10.0), weekday(2, 0, -5.0), weekday(3, 0, 0.0), weekday(4, 1, 20.0)];
    by_weekday.sort_by_key(|figures| figures.weekday);
    let expected = Statistics {
        coverage: Coverage {
            published: Some(5),
            open: Some(0),
            overdue: Some(0),
            expired: 1,
            backdated: 0,
            closed: 4,
            due: 5,
            coverage: Some(80.0),
        },
        total_trades: 4,
        winning_trades: 2,
        losing_trades: 2,
        win_rate: 50.0,
        win_rate_lower: 40.0,
        avg_win_pct: 15.0,
        avg_loss_pct: -2.5,
        profit_factor: Some(6.0),
        profit_factor_lower: Some(2.0),
        payoff_ratio: Some(6.0),
        largest_win_pct: 20.0,
        largest_loss_pct: -5.0,
        mean_return_pct: 6.25,
        expectancy_lower_pct: 3.0,
        cumulative_pct: 25.0,
        cumulative_lower_pct: 15.0,
        assumed_loss_pct: 10.0,
        max_drawdown: Some(Drawdown {
            depth_pct: -5.0,
            from: Some(START.later(DAY)),
            to: Some(START.later(2 * DAY)),
            is_recovered: true,
        }),
        // Each was held from START for one to four days.
        average_holding_seconds: Some(2.5 * 86_400.0),
        median_holding_seconds: None,
        longest_winning_streak: 1,
        longest_losing_streak: 2,
        exposure: Some(2.5),
        sharpe_ratio: None,
        sortino_ratio: None,
        best_month: Some(month),
        worst_month: Some(month),
        by_month: vec![month],
        by_weekday,
        is_small_sample: true,
        simulated_trades: 1,
        late_trades: None,
        period: Period::default(),
    };
    let told = statistics(&world, ADMIN, &all());
    assert_eq!(told.expires_at, None);
    let median = told.answer.median_holding_seconds.unwrap();
    assert!((median / (2.0 * 86_400.0) - 1.0).abs() <= 1.0 / 32.0, "{median}");
    assert_eq!(Statistics { median_holding_seconds: None, ..told.answer }, expected);
    let request = PerformanceRequest { late: LateOutcomes::Include, ..all() };
    let found = statistics(&world, ADMIN, &request).answer;
    assert_eq!((found.total_trades, found.losing_trades, found.late_trades), (5, 3, Some(1)));
    assert_eq!((found.win_rate, found.win_rate_lower), (40.0, 40.0));
    assert_eq!((found.coverage.expired, found.coverage.coverage), (0, Some(100.0)));
    assert!((found.avg_loss_pct - -55.0 / 3.0).abs() < 1e-12, "{found:?}");
    assert_eq!((found.profit_factor, found.mean_return_pct), (Some(30.0 / 55.0), -5.0));
    assert_eq!((found.largest_loss_pct, found.cumulative_lower_pct), (-50.0, -25.0));
    let fall = found.max_drawdown.unwrap();
    assert_eq!((fall.depth_pct, fall.is_recovered), (-50.0, false));
}

/// The expiry may lie in another period than the late outcome, so a bound on either side leaves it due.
#[test]
fn a_late_outcome_takes_no_expiry_out_of_a_period() {
    let world = record();
    let day = |days: u32| Some(Day::of(START.later(days * DAY)));
    for (from, to, expired) in
        [(None, None, 0), (day(0), None, 1), (None, day(40), 1), (day(0), day(40), 1)]
    {
        let span = Span::Between(Period { from, to });
        let request = PerformanceRequest { span, late: LateOutcomes::Include, ..all() };
        let found = statistics(&world, ADMIN, &request).answer;
        let case = format!("{span:?}");
        assert_eq!((found.total_trades, found.coverage.expired), (5, expired), "{case}");
        let lower = if expired == 0 { -25.0 } else { -35.0 };
        let assumed = (found.coverage.due, found.cumulative_lower_pct);
        assert_eq!(assumed, (5 + expired, lower), "{case}");
    }
}

/// What a period that has ended says does not change with what is open today.
#[test]
fn signals_are_overdue_today_and_in_no_period_with_an_end() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("open")).unwrap();
    world.at(40 * DAY);
    let day = |days: u32| Some(Day::of(START.later(days * DAY)));
    let between = |from, to| Span::Between(Period { from, to });
    for (span, overdue) in [
        (between(None, None), 1),
        (between(day(39), None), 1),
        (Span::Last(0), 1),
        (between(None, day(39)), 0),
        (between(day(0), day(40)), 0),
    ] {
        let request = PerformanceRequest { span, ..all() };
        let Coverage { overdue: found, due, open, .. } =
            statistics(&world, ADMIN, &request).answer.coverage;
        assert_eq!((found, due), (Some(overdue), overdue), "{span:?}");
        // What was published before the period is not known, and may be open.
        let has_begin = !matches!(span, Span::Between(Period { from: None, .. }));
        assert_eq!(open, (!has_begin).then_some(1), "{span:?}");
    }
}

/// That no result came is told as late as a result.
#[test]
fn a_late_reader_hears_late_that_a_signal_is_overdue() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("open")).unwrap();
    let delay = Duration::from_mins(15);
    for (after, for_all, for_late) in
        [(Duration::ZERO, 0, 0), (MICROSECOND, 1, 0), (delay, 1, 0), (delay + MICROSECOND, 1, 1)]
    {
        world.at(30 * DAY + after);
        for (viewer, expected) in [(ADMIN, for_all), (Viewer::Anonymous, for_late)] {
            let coverage = statistics(&world, viewer, &all()).answer.coverage;
            let found = (coverage.overdue, coverage.due);
            assert_eq!(found, (Some(expected), expected), "{viewer:?} {after:?}");
        }
    }
}

/// Forty winners reported, sixty losers never: whoever looks sees what is missing.
#[test]
fn losers_that_are_never_reported_are_seen() {
    let world = World::new();
    let argo = world.producer("argo", false);
    for number in 0..100 {
        let id: &str = Box::leak(format!("S{number}").into_boxed_str());
        world.submit(&argo, &Offer::named(id)).unwrap();
        if number < 40 {
            world.report(&argo, &Report::of(id, "105.0")).unwrap();
        }
    }
    let live = PerformanceRequest { record: Record::Live, ..all() };
    let found = |viewer| statistics(&world, viewer, &live).answer;
    let before = found(ADMIN);
    assert_eq!((before.coverage.open, before.coverage.due), (Some(60), 40));
    assert_eq!((before.win_rate, before.win_rate_lower), (100.0, 100.0), "none is overdue yet");
    world.at(30 * DAY + MICROSECOND);
    for expired in [false, true] {
        if expired {
            assert_eq!(now(world.cases.expiry.run_once()).unwrap().0, 60);
            world.at(31 * DAY);
        } else {
            let count = found(ADMIN).coverage;
            assert_eq!((count.open, count.overdue, count.expired), (Some(60), Some(60), 0));
            world.at(30 * DAY + Duration::from_mins(16));
        }
        for viewer in Viewer::ALL {
            let told = found(viewer);
            let counts = told.coverage;
            assert_eq!((counts.published, counts.closed, counts.due), (Some(100), 40, 100));
            assert_eq!(counts.coverage, Some(40.0), "{viewer:?}");
            assert_eq!((told.win_rate, told.win_rate_lower), (100.0, 40.0), "{viewer:?}");
            // 40 times 5 percent, 60 times an assumed loss of 10.
            assert_eq!((told.cumulative_pct, told.cumulative_lower_pct), (200.0, -400.0));
            assert_eq!((told.mean_return_pct, told.expectancy_lower_pct), (5.0, -4.0));
            assert_eq!((told.profit_factor, told.profit_factor_lower), (None, Some(200.0 / 600.0)));
        }
    }
    let symbols = now(world.cases.performance.symbols(ADMIN, Record::Live)).unwrap().answer;
    let told = &symbols[0];
    assert_eq!((told.closed_signals, told.missed_signals, told.coverage), (40, 60, 40.0));
    assert_eq!((told.win_rate, told.win_rate_lower), (100.0, 40.0));
}

/// A loser that is dressed up as history leaves its mark in the record that it leaves.
#[test]
fn a_backdated_loser_is_no_way_out() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.at(DAY);
    let timestamp = START.later(DAY).earlier(Duration::from_hours(2));
    for id in ["win", "loss"] {
        world.submit(&argo, &Offer { timestamp, ..Offer::named(id) }).unwrap();
    }
    let after = START.later(DAY);
    world.report(&argo, &Report { exited_at: after, ..Report::of("win", "105.0") }).unwrap();
    let before = timestamp.later(Duration::from_hours(1));
    world.report(&argo, &Report { exited_at: before, ..Report::of("loss", "50.0") }).unwrap();
    let told = statistics(&world, ADMIN, &PerformanceRequest { record: Record::Live, ..all() });
    let counts = told.answer.coverage;
    assert_eq!((counts.closed, counts.backdated, counts.due), (1, 1, 2));
    assert_eq!((told.answer.win_rate, told.answer.win_rate_lower), (100.0, 50.0));
}

/// Who may not see every signal is told of open ones in sum, never of a part of the signals.
#[test]
fn open_signals_are_told_in_sum_only() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer { confidence: "97.0", ..Offer::named("hidden") }).unwrap();
    world.at(DAY);
    let parts = [
        Choice { symbol: Some("AAPL".parse().unwrap()), ..Choice::default() },
        Choice { strategy: Some("momentum".parse().unwrap()), ..Choice::default() },
        Choice { producer: Some("argo".parse().unwrap()), ..Choice::default() },
    ];
    for viewer in Viewer::ALL {
        let sum = statistics(&world, viewer, &all()).answer.coverage;
        assert_eq!((sum.published, sum.open, sum.overdue), (Some(1), Some(1), Some(0)));
        let sees_all = matches!(viewer, ADMIN | Viewer::Subscriber(Tier::Elite));
        for choice in &parts {
            let part = statistics(&world, viewer, &of(choice.clone())).answer.coverage;
            let told = [part.published, part.open, part.overdue];
            assert_eq!(told.map(|count| count.is_some()), [sees_all; 3], "{viewer:?} {choice:?}");
        }
    }
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
        let request = of_symbol(&symbol);
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
    let symbol = of_symbol;
    let strategy =
        |name: &str| of(Choice { strategy: Some(name.parse().unwrap()), ..Choice::default() });
    let producer =
        |name: &str| of(Choice { producer: Some(name.parse().unwrap()), ..Choice::default() });
    let days = |days| PerformanceRequest { span: Span::Last(days), ..all() };
    let between = |from: u32, to: u32| {
        let day = |days: u32| Some(Day::of(START.later(days * DAY)));
        PerformanceRequest { span: Span::Between(Period { from: day(from), to: day(to) }), ..all() }
    };
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
        (producer("argo"), (3, 0, None, 30.0)),
        (producer("made-up"), (1, 1, None, -5.0)),
        (producer("nobody"), (0, 0, None, 0.0)),
        (days(25), (0, 0, None, 0.0)),
        (days(26), (1, 0, None, 20.0)),
        (days(27), (2, 0, None, 20.0)),
        (days(29), (4, 1, None, 25.0)),
        (late(days(25)), (1, 0, Some(1), -50.0)),
        (late(days(29)), (5, 1, Some(1), -25.0)),
        (between(2, 3), (2, 1, None, -5.0)),
        (between(4, 4), (1, 0, None, 20.0)),
    ] {
        let found = statistics(&world, ADMIN, &request).answer;
        let curve = now(world.cases.performance.equity_curve(ADMIN, &request, 500)).unwrap().answer;
        let sum = curve.points.last().map_or(0.0, |point| point.cumulative_pct);
        let figures = (found.total_trades, found.simulated_trades, found.late_trades, sum);
        assert_eq!(figures, expected, "{request:?}");
        assert_eq!(curve.statistics, found, "{request:?}");
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
    let mut points = vec![point(1, 10.0), point(2, 5.0), point(3, 5.0), point(4, 25.0)];
    let found = now(world.cases.performance.equity_curve(ADMIN, &all(), 500)).unwrap();
    assert_eq!((found.answer.points, found.expires_at), (points.clone(), None));
    // The late one closed first, and came last.
    let received_at = START.later(30 * DAY + MICROSECOND);
    points.push(EquityPoint { closed_at: START, received_at, cumulative_pct: -25.0 });
    let request = PerformanceRequest { late: LateOutcomes::Include, ..all() };
    let found = now(world.cases.performance.equity_curve(ADMIN, &request, 500)).unwrap();
    assert_eq!(found.answer.points, points);
}

#[test]
fn instruments_are_told_with_their_trades() {
    let world = record();
    let found = now(world.cases.performance.symbols(ADMIN, Record::All)).unwrap();
    assert_eq!(found.expires_at, None);
    let told: Vec<_> = found
        .answer
        .iter()
        .map(|row| {
            let counts = (row.closed_signals, row.simulated_signals, row.missed_signals);
            (row.symbol.as_str(), counts, row.coverage, row.win_rate, row.cumulative_pct)
        })
        .collect();
    let expected = [
        ("AAPL", (2, 1, 0), 100.0, 50.0, 5.0),
        ("MSFT", (2, 0, 0), 100.0, 50.0, 20.0),
        ("TSLA", (0, 0, 1), 0.0, 0.0, 0.0),
    ];
    assert_eq!(told, expected);
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
            let curve = now(world.cases.performance.equity_curve(viewer, &all(), 500)).unwrap();
            assert_eq!(curve.answer.statistics.total_trades, expected, "{case}");
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
        let curve = now(world.cases.performance.equity_curve(ADMIN, &request, 500)).unwrap().answer;
        let end = curve.points.last().map_or(0.0, |point| point.cumulative_pct);
        assert_eq!(
            (found.total_trades, curve.statistics.total_trades, end),
            (trades, trades, sum),
            "{record}"
        );
        let symbols = now(world.cases.performance.symbols(ADMIN, record)).unwrap().answer;
        let counted: u64 = symbols.iter().map(|row| row.closed_signals).sum();
        assert_eq!(counted, trades, "{record}");
    }
}
