//! Which signals each list holds.

use alpine_domain::{
    Timestamp,
    account::Viewer,
    page::Slice,
    producer::Producer,
    signal::{
        ExpirySettings, ExportRequest, HistoryRequest, ListRequest, Outcome, Record, Signal,
        SignalStatus,
    },
    use_cases::Settings,
};

use crate::support::{DAY, MICROSECOND, Offer, Report, START, World, now, settings};

const ADMIN: Viewer = Viewer::Admin;

/// What differs between the signals of these tests, oldest first; each is accepted a day after the one before.
const SIGNALS: [(&str, &str, &str, &str); 6] = [
    ("apple", "AAPL", "BUY", "70.0"),
    ("apple-short", "AAPL", "SELL", "84.99"),
    ("apple-sure", "AAPL", "BUY", "85.0"),
    ("bitcoin", "BTC-USD", "BUY", "90.0"),
    ("bitcoin-short", "BTC-USD", "SELL", "95.0"),
    ("gold", "XAU", "BUY", "99.5"),
];

fn full() -> (World, Producer) {
    // The signals are all of one time, and come a day after each other.
    let expiry = ExpirySettings { live_within: 30 * DAY, ..ExpirySettings::default() };
    let world = World::with(Settings { expiry, ..settings() });
    let argo = world.producer("argo", false);
    for ((id, symbol, action, confidence), days) in SIGNALS.into_iter().zip(0..) {
        world.at(days * DAY);
        let (target, stop) = if action == "BUY" { ("110.0", "90.0") } else { ("90.0", "110.0") };
        let limits = Offer { target: Some(target), stop: Some(stop), ..Offer::named(id) };
        world.submit(&argo, &Offer { symbol, action, confidence, ..limits }).unwrap();
    }
    (world, argo)
}

fn of_days(days: u32) -> ExportRequest {
    ExportRequest { days: Some(days), ..ExportRequest::default() }
}

fn names(signals: &[Signal]) -> Vec<String> {
    signals.iter().map(|signal| signal.content.external_id.to_string()).collect()
}

/// Each field changed alone, and two that meet.
#[test]
fn every_field_of_a_request_chooses_among_what_is_open() {
    let (world, argo) = full();
    world.report(&argo, &Report::of("apple-sure", "120.0")).unwrap();
    let all = || ListRequest::newest(50);
    let premium = || ListRequest { premium_only: true, ..all() };
    let least = |least| ListRequest { min_confidence: Some(least), ..all() };
    let symbol = |symbol: &str| Some(symbol.parse().unwrap());
    let action = |action: &str| Some(action.parse().unwrap());
    let cases: [(&str, ListRequest, &[&str]); 12] = [
        ("all", all(), &["gold", "bitcoin-short", "bitcoin", "apple-short", "apple"]),
        ("premium", premium(), &["gold", "bitcoin-short", "bitcoin"]),
        (
            "symbol",
            ListRequest { symbol: symbol("BTC-USD"), ..all() },
            &["bitcoin-short", "bitcoin"],
        ),
        ("no such", ListRequest { symbol: symbol("btc-usd"), ..all() }, &[]),
        (
            "sells",
            ListRequest { action: action("SELL"), ..all() },
            &["bitcoin-short", "apple-short"],
        ),
        ("buys", ListRequest { action: action("BUY"), ..all() }, &["gold", "bitcoin", "apple"]),
        ("at least", least(95.0), &["gold", "bitcoin-short"]),
        ("just more", least(95.01), &["gold"]),
        ("none so sure", least(99.51), &[]),
        (
            "premium and less",
            ListRequest { min_confidence: Some(50.0), ..premium() },
            &["gold", "bitcoin-short", "bitcoin"],
        ),
        (
            "premium and more",
            ListRequest { min_confidence: Some(95.0), ..premium() },
            &["gold", "bitcoin-short"],
        ),
        ("limit", ListRequest::newest(2), &["gold", "bitcoin-short"]),
    ];
    for (case, request, expected) in cases {
        let latest = now(world.cases.catalogue.latest(ADMIN, &request)).unwrap();
        assert_eq!(names(&latest.signals), expected, "{case}");
        assert_eq!(latest.expires_at, None, "{case}");
        let (page, expires_at) = now(world.cases.catalogue.subscribed(ADMIN, &request)).unwrap();
        assert_eq!(names(&page.items), expected, "{case}");
        let total = if case == "limit" { 5 } else { expected.len() };
        assert_eq!((page.total as usize, page.total_capped), (total, false), "{case}");
        assert_eq!((page.has_more(), expires_at), (case == "limit", None), "{case}");
    }
}

#[test]
fn pages_follow_each_other_by_cursor_and_by_offset() {
    let (world, _) = full();
    let newest: Vec<&str> = SIGNALS.iter().rev().map(|(id, ..)| *id).collect();
    for limit in 1..=7 {
        let page = |offset, after| {
            let slice = Slice { limit, offset, after };
            let request = ListRequest { slice, ..ListRequest::newest(limit) };
            now(world.cases.catalogue.subscribed(ADMIN, &request)).unwrap().0
        };
        let (mut by_cursor, mut by_offset, mut after) = (Vec::new(), Vec::new(), None);
        for start in (0..6).step_by(limit as usize) {
            let part = page(0, after);
            after = part.next;
            by_cursor.extend(names(&part.items));
            assert_eq!(after.is_some(), start + limit < 6, "{limit} from {start}");
            let part = page(start, None);
            assert_eq!((part.total, part.limit, part.offset), (6, limit, start));
            by_offset.extend(names(&part.items));
        }
        assert_eq!((by_cursor, by_offset), (to_text(&newest), to_text(&newest)), "{limit}");
        assert_eq!(names(&page(6, None).items), [""; 0]);
    }
}

fn to_text(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// In the list of the past every signal has the outcome that it has, and each status is a list.
#[test]
fn every_field_of_a_request_chooses_among_the_past() {
    let (world, argo) = full();
    let reports = [("apple", "120.0", "target_hit"), ("bitcoin", "80.0", "stop_hit")];
    for (id, price, status) in reports {
        world.report(&argo, &Report { status: Some(status), ..Report::of(id, price) }).unwrap();
    }
    world.report(&argo, &Report::of("gold", "101.0")).unwrap();
    let all =
        || HistoryRequest { limit: 50, days: 30, symbol: None, status: None, record: Record::All };
    let symbol = |symbol: &str| HistoryRequest { symbol: Some(symbol.parse().unwrap()), ..all() };
    let status = |status| HistoryRequest { status: Some(status), ..all() };
    let newest: Vec<&str> = SIGNALS.iter().rev().map(|(id, ..)| *id).collect();
    let cases: [(HistoryRequest, &[&str]); 11] = [
        (all(), &newest),
        (HistoryRequest { limit: 2, ..all() }, &newest[..2]),
        (HistoryRequest { days: 5, ..all() }, &newest),
        (HistoryRequest { days: 4, ..all() }, &newest[..5]),
        (HistoryRequest { days: 1, ..all() }, &newest[..2]),
        (symbol("BTC-USD"), &["bitcoin-short", "bitcoin"]),
        (status(SignalStatus::Open), &["bitcoin-short", "apple-sure", "apple-short"]),
        (status(SignalStatus::TargetHit), &["apple"]),
        (status(SignalStatus::StopHit), &["bitcoin"]),
        (status(SignalStatus::Closed), &["gold"]),
        (status(SignalStatus::Expired), &[]),
    ];
    for (request, expected) in cases {
        let listing = now(world.cases.catalogue.history(ADMIN, &request)).unwrap();
        assert_eq!(names(&listing.signals), expected, "{request:?}");
        for signal in &listing.signals {
            let found = now(world.cases.catalogue.find(ADMIN, signal.id)).unwrap();
            assert_eq!(&found, signal, "{request:?}");
        }
    }
    let past = now(world.cases.catalogue.history(ADMIN, &all())).unwrap().signals;
    let ends: Vec<_> = past.iter().map(|signal| signal.outcome.is_some()).collect();
    assert_eq!(ends, [true, false, true, false, false, true]);
}

/// The last instant of the range is in it.
#[test]
fn the_past_reaches_back_exactly_so_many_days() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.submit(&argo, &Offer::named("SIG-1")).unwrap();
    for days in [1, 7] {
        for (span, expected) in [(days * DAY, 1), (days * DAY + MICROSECOND, 0)] {
            world.at(span);
            let request =
                HistoryRequest { limit: 9, days, symbol: None, status: None, record: Record::All };
            let past = now(world.cases.catalogue.history(ADMIN, &request)).unwrap();
            assert_eq!(past.signals.len(), expected, "{days} {span:?}");
            let mut export = now(world.cases.catalogue.export(ADMIN, of_days(days))).unwrap();
            let exported = now(world.cases.catalogue.export_batch(&mut export)).unwrap();
            assert_eq!(exported.is_some(), expected == 1, "{days} {span:?}");
        }
    }
}

/// In parts of 500, whether or not the last one is full.
#[test]
fn an_export_holds_each_signal_once() {
    for (count, parts) in
        [(0, vec![]), (1, vec![1]), (499, vec![499]), (500, vec![500]), (501, vec![500, 1])]
    {
        let world = World::new();
        let argo = world.producer("argo", false);
        let lines = (0..count).map(|n| Offer::named(&format!("SIG-{n}")).body());
        let body = lines.collect::<Vec<_>>().join(&b'\n');
        if count > 0 {
            now(world.cases.intake.submit_batch(&argo, &body, 1_000)).unwrap();
        }
        let mut export = now(world.cases.catalogue.export(ADMIN, of_days(30))).unwrap();
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        while let Some(batch) = now(world.cases.catalogue.export_batch(&mut export)).unwrap() {
            lengths.push(batch.len());
            found.extend(names(&batch));
        }
        let expected: Vec<_> = (0..count).rev().map(|n| format!("SIG-{n}")).collect();
        assert_eq!((lengths, found), (parts, expected));
        assert_eq!(now(world.cases.catalogue.export_batch(&mut export)).unwrap(), None);
    }
}

#[test]
fn one_signal_is_shown_with_its_outcome_and_its_late_outcome() {
    let (world, argo) = full();
    let (closed, _) = world.report(&argo, &Report::of("apple", "120.0")).unwrap();
    world.at(60 * DAY);
    assert_eq!(now(world.cases.expiry.run_once()).unwrap().0, 5);
    let (late, _) = world.report(&argo, &Report::of("gold", "120.0")).unwrap();
    assert_eq!(late.outcome, Some(Outcome::expired(START.later(60 * DAY))));
    for signal in [closed, late] {
        let found = now(world.cases.catalogue.find(ADMIN, signal.id)).unwrap();
        assert_eq!(found, signal);
    }
    let unknown = alpine_domain::signal::SignalId::new(999);
    let found = now(world.cases.catalogue.find(ADMIN, unknown));
    assert!(matches!(found, Err(alpine_domain::Error::NotFound("signal"))), "{found:?}");
}

#[test]
fn premium_begins_at_its_confidence() {
    let (world, _) = full();
    let all = now(world.cases.catalogue.latest(ADMIN, &ListRequest::newest(9))).unwrap().signals;
    let premium: Vec<bool> =
        all.iter().map(|signal| world.cases.catalogue.is_premium(signal)).collect();
    assert_eq!(premium, [true, true, true, true, false, false]);
    let lowest = |viewer| world.cases.catalogue.min_confidence(viewer).to_bits();
    assert_eq!(Viewer::ALL.map(lowest), [0; 6], "0.0: tiers differ by what lies above");
    let instants: Vec<Timestamp> = all.iter().map(|signal| signal.content.created_at).collect();
    assert_eq!(instants, [5, 4, 3, 2, 1, 0].map(|days| START.later(days * DAY)));
}

/// A signal of long ago that nobody ever closed stands open in no list of what is open. The past holds it, marked.
#[test]
fn history_is_no_news() {
    let world = World::new();
    let argo = world.producer("argo", false);
    world.at(2 * DAY);
    for (id, timestamp) in [("old", START), ("new", START.later(DAY))] {
        world.submit(&argo, &Offer { timestamp, ..Offer::named(id) }).unwrap();
    }
    let listed = |signals: Vec<Signal>| {
        let marks =
            signals.iter().map(|it| format!("{} {}", it.content.external_id, it.content.origin));
        marks.collect::<Vec<_>>()
    };
    let request = ListRequest::newest(10);
    let latest = now(world.cases.catalogue.latest(Viewer::Admin, &request)).unwrap().signals;
    assert_eq!(listed(latest), ["new live"]);
    let (page, _) = now(world.cases.catalogue.subscribed(Viewer::Admin, &request)).unwrap();
    assert_eq!((page.total, listed(page.items)), (1, vec!["new live".to_owned()]));
    let past =
        HistoryRequest { limit: 10, days: 30, symbol: None, status: None, record: Record::All };
    let past = now(world.cases.catalogue.history(Viewer::Admin, &past)).unwrap().signals;
    assert_eq!(listed(past), ["new live", "old backfilled"]);
}

/// A file begins at the later of its bounds, and ends before its end. Who gets the newest ten rows gets those of them
/// that are old enough, and none behind them.
#[test]
fn a_file_holds_what_lies_between_its_bounds() {
    let world = World::new();
    let argo = world.producer("argo", false);
    for day in 0..40 {
        world.at(day * DAY);
        world
            .submit(
                &argo,
                &Offer { timestamp: START.later(day * DAY), ..Offer::named(&day.to_string()) },
            )
            .unwrap();
    }
    let days = |count: u32| Some(START.later(count * DAY));
    let newest = Viewer::Anonymous;
    let bounded =
        |since, until, days| ExportRequest { since, until, days, ..ExportRequest::default() };
    let cases = [
        (ADMIN, ExportRequest::default(), Some((39, 9))),
        (ADMIN, ExportRequest { days: Some(2), ..ExportRequest::default() }, Some((39, 37))),
        (ADMIN, ExportRequest { since: days(0), ..ExportRequest::default() }, Some((39, 0))),
        (ADMIN, bounded(days(0), days(5), None), Some((4, 0))),
        (ADMIN, bounded(days(38), None, Some(30)), Some((39, 38))),
        (ADMIN, bounded(days(0), days(39), Some(1)), Some((38, 38))),
        (newest, ExportRequest { since: days(0), ..ExportRequest::default() }, Some((38, 29))),
        (newest, bounded(days(0), days(35), None), Some((34, 29))),
        (newest, bounded(days(0), days(29), None), None),
    ];
    for (viewer, request, expected) in cases {
        let mut export = now(world.cases.catalogue.export(viewer, request)).unwrap();
        let mut found = Vec::new();
        while let Some(batch) = now(world.cases.catalogue.export_batch(&mut export)).unwrap() {
            found.extend(names(&batch));
        }
        let numbers: Vec<u32> = found.iter().map(|name| name.parse().unwrap()).collect();
        let ends = numbers.first().copied().zip(numbers.last().copied());
        assert_eq!(ends, expected, "{request:?}");
        let count = expected.map_or(0, |(first, last)| first - last + 1);
        assert_eq!(numbers.len(), count as usize, "{request:?}");
    }
}
