//! Statistics over closed signals.

use std::time::Duration;

use alpine_domain::{
    signal::{NewOutcome, NewSignal, PnlPercent, Record, Released},
    statistics::{
        Choice, Finest, Horizons, LateOutcomes, Level, Missed, PerformanceFilter, Period, Segment,
    },
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(
    sums_are_exact_and_filtered,
    each_result_is_in_one_part_of_the_record,
    sums_do_not_overflow,
    results_are_added_in_order_of_receipt,
    what_is_overdue_is_told,
    symbols_are_counted,
    only_what_is_released_counts,
);

/// A reader who knows of everything.
fn late() -> Released {
    Released::all(at(1_000_000))
}

pub(crate) fn everything() -> PerformanceFilter {
    PerformanceFilter::all(late())
}

async fn closed(bed: &Bed, id: &str, symbol: &str, price: &str, seconds: i64) {
    let argo = bed.producer().await;
    let mut new = signal(&argo, id, seconds);
    new.symbol = symbol.parse().unwrap();
    bed.store(vec![new.clone()]).await;
    bed.signals.record_outcome(outcome(&new, price, seconds)).await.unwrap();
}

/// What counts under a filter, whether it is in sums or not.
pub(crate) async fn segment(bed: &Bed, filter: &PerformanceFilter) -> Segment {
    let horizons = Horizons::default();
    let mut reading =
        bed.signals.read(filter, Finest::Level(Level::Day), &horizons, at(0), 0).await.unwrap();
    let mut all = Segment::default();
    for segment in reading.take_stretches(filter).values() {
        all.append(segment);
    }
    all
}

/// Each instrument with how many signals of it closed.
pub(crate) async fn closed_symbols(bed: &Bed, filter: &PerformanceFilter) -> Vec<(String, i64)> {
    let reading = bed.signals.symbols(filter).await.unwrap();
    let mut symbols = std::collections::BTreeMap::new();
    for (symbol, segment) in &reading.sums {
        *symbols.entry(symbol.to_string()).or_insert(0) += segment.closed();
    }
    for entry in reading.tail.iter().filter(|entry| filter.counts(entry)) {
        if let Some(segment) = entry.adds(filter.record, filter.late) {
            *symbols.entry(entry.signal.symbol.to_string()).or_insert(0) += segment.closed();
        }
    }
    symbols.into_iter().filter(|(_, trades)| *trades > 0).collect()
}

/// Seals all that happened, and finds nothing wrong.
pub(crate) async fn seal(bed: &Bed) {
    while !bed.sums.seal(at(10_000_000), 3).await.unwrap().is_done {}
}

async fn sums_are_exact_and_filtered(bed: Bed) {
    assert_eq!(segment(&bed, &everything()).await, Segment::default());
    closed(&bed, "1", "AAPL", "100.00000001", 10).await;
    closed(&bed, "2", "AAPL", "97.5", 20).await;
    closed(&bed, "3", "MSFT", "100", 30).await;
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "z", true, at(0)).await.unwrap();
    let mut simulated = signal(&zeus, "4", 40);
    simulated.strategy = None;
    bed.store(vec![simulated.clone()]).await;
    bed.signals.record_outcome(outcome(&simulated, "150", 40)).await.unwrap();
    // One expires: at its stop, and without one.
    let argo = bed.producer().await;
    let stopped = NewSignal { stop_price: Some("95".parse().unwrap()), ..signal(&argo, "5", 5) };
    bed.store(vec![stopped, signal(&argo, "6", 5)]).await;
    bed.signals.expire(at(100), std::time::Duration::ZERO, &[], 9).await.unwrap();

    for _sealed in [false, true] {
        let all = segment(&bed, &everything()).await;
        assert_eq!((all.published, all.ended, all.closed(), all.wins), (6, 6, 4, 2));
        assert_eq!((all.simulated, all.late), (1, 0));
        assert_eq!(all.sum_of_wins, 1 + 50 * i128::from(PnlPercent::SCALE));
        assert_eq!(all.sum_of_losses, -250_000_000);
        assert_eq!(all.largest, Some(50 * PnlPercent::SCALE));
        assert_eq!(all.smallest, Some(-250_000_000));
        let at_stop = i128::from(-5 * PnlPercent::SCALE);
        assert_eq!(all.expired, Missed { count: 2, at_stop, without_stop: 1 });
        let only = |choice| PerformanceFilter { choice, ..everything() };
        for (choice, trades) in [
            (Choice { symbol: Some("AAPL".parse().unwrap()), ..Choice::default() }, 3),
            (Choice { strategy: Some("momentum".parse().unwrap()), ..Choice::default() }, 3),
            (Choice { producer: Some("zeus".parse().unwrap()), ..Choice::default() }, 1),
            (Choice { producer: Some("nobody".parse().unwrap()), ..Choice::default() }, 0),
        ] {
            assert_eq!(segment(&bed, &only(choice.clone())).await.closed(), trades, "{choice:?}");
        }
        seal(&bed).await;
    }
}

async fn sums_do_not_overflow(bed: Bed) {
    // Each near the largest magnitude: more of them than 64 bits of steps could hold.
    for n in 0..12 {
        closed(&bed, &format!("w{n}"), "AAPL", "8999999999", n).await;
    }
    for _sealed in [false, true] {
        let sums = segment(&bed, &everything()).await;
        assert_eq!(sums.sum_of_wins, 12 * 8_999_999_899 * i128::from(PnlPercent::SCALE));
        assert!(sums.sum_of_wins > i128::from(i64::MAX));
        seal(&bed).await;
    }
}

async fn results_are_added_in_order_of_receipt(bed: Bed) {
    closed(&bed, "b", "AAPL", "101", 20).await;
    closed(&bed, "a", "AAPL", "102", 10).await;
    closed(&bed, "c", "MSFT", "103", 20).await;
    for _sealed in [false, true] {
        let trades = segment(&bed, &everything()).await.trades.unwrap();
        let steps: Vec<i64> = trades.iter().map(|trade| trade.pnl.steps()).collect();
        assert_eq!(steps, [2, 1, 3].map(|percent| percent * PnlPercent::SCALE));
        seal(&bed).await;
    }
}

async fn symbols_are_counted(bed: Bed) {
    closed(&bed, "1", "MSFT", "101", 10).await;
    closed(&bed, "2", "AAPL", "101", 10).await;
    closed(&bed, "3", "AAPL", "101", 10).await;
    let argo = bed.producer().await;
    let open = NewSignal { symbol: "TSLA".parse().unwrap(), ..signal(&argo, "open", 0) };
    bed.store(vec![open]).await;
    let day = Duration::from_hours(24);
    assert_eq!(bed.signals.expire(at(100_000), day, &[], 10).await.unwrap().len(), 1);
    for _sealed in [false, true] {
        let symbols = closed_symbols(&bed, &everything()).await;
        assert_eq!(symbols, [("AAPL".to_owned(), 2), ("MSFT".to_owned(), 1)]);
        seal(&bed).await;
    }
}

/// By its strategy's horizon, the oldest first, as many as are asked for.
async fn what_is_overdue_is_told(bed: Bed) {
    let argo = bed.producer().await;
    let stop_price = Some("90".parse().unwrap());
    let quick = NewSignal { strategy: Some("quick".parse().unwrap()), ..signal(&argo, "q", 20) };
    let old = NewSignal { stop_price, ..signal(&argo, "old", 10) };
    bed.store(vec![old.clone()]).await;
    bed.store(vec![quick, signal(&argo, "young", 20)]).await;
    let by_strategy = [("quick".parse().unwrap(), Duration::from_secs(5))].into();
    let horizons = Horizons { default: Duration::from_secs(30), by_strategy };
    let overdue = async |now, limit| {
        let filter = everything();
        let reading =
            bed.signals.read(&filter, Finest::Level(Level::Month), &horizons, at(now), limit).await;
        let told = reading.unwrap().overdue.into_iter();
        told.map(|signal| (signal.strategy.unwrap().to_string(), signal.at_stop))
            .collect::<Vec<_>>()
    };
    let loss = Some(PnlPercent::from_steps(-10 * PnlPercent::SCALE));
    let (old_one, quick) = (("momentum".to_owned(), loss), ("quick".to_owned(), None));
    assert_eq!(overdue(25, 9).await, []);
    assert_eq!(overdue(26, 9).await, std::slice::from_ref(&quick));
    assert_eq!(overdue(41, 9).await, [old_one.clone(), quick.clone()]);
    assert_eq!(overdue(41, 1).await, [old_one]);
    bed.signals.record_outcome(outcome(&old, "101", 41)).await.unwrap();
    assert_eq!(overdue(41, 9).await, [quick]);
}

/// By confidence and by time: each outcome counts from its own instant on, and is said to be the next
/// one before it.
async fn only_what_is_released_counts(bed: Bed) {
    let argo = bed.producer().await;
    for (id, symbol, confidence, created, recorded) in [
        ("plain", "AAPL", "84.9", 10, 20),
        ("premium", "MSFT", "85", 10, 30),
        ("late", "NVDA", "60", 25, 25),
    ] {
        let mut new = signal(&argo, id, created);
        new.symbol = symbol.parse().unwrap();
        new.confidence = confidence.parse().unwrap();
        bed.store(vec![new.clone()]).await;
        bed.signals.record_outcome(outcome(&new, "101", recorded)).await.unwrap();
    }
    let public = |seconds| Released::all(at(seconds));
    let paid = |seconds, others| Released {
        as_of: at(seconds),
        below: Some(85.0),
        others_as_of: at(others),
    };
    for (released, expected) in [
        (public(19), vec![]),
        (public(20), vec!["AAPL"]),
        (public(25), vec!["AAPL", "NVDA"]),
        (public(30), vec!["AAPL", "MSFT", "NVDA"]),
        (paid(29, 29), vec!["AAPL", "NVDA"]),
        (paid(100, 29), vec!["AAPL", "NVDA"]),
        (paid(100, 30), vec!["AAPL", "MSFT", "NVDA"]),
    ] {
        let filter = PerformanceFilter::all(released);
        let symbols = closed_symbols(&bed, &filter).await;
        let names: Vec<_> = symbols.iter().map(|(symbol, _)| symbol.as_str()).collect();
        assert_eq!(names, expected, "{released:?}");
        let trades = segment(&bed, &filter).await.closed();
        assert_eq!(usize::try_from(trades).unwrap(), expected.len(), "{released:?}");
    }
    for (after, least, with_published, next) in [
        (19, None, false, Some(20)),
        (20, None, false, Some(25)),
        (30, None, false, None),
        (0, Some(85.0), false, Some(30)),
        (30, Some(85.0), false, None),
        (0, None, true, Some(10)),
        (0, Some(85.0), true, Some(10)),
        (10, Some(60.0), true, Some(20)),
        (20, Some(60.0), true, Some(25)),
        (25, None, true, Some(30)),
        (30, None, true, None),
    ] {
        let late = LateOutcomes::Exclude;
        let found = bed.signals.next_after(at(after), least, late, with_published).await.unwrap();
        assert_eq!(found, next.map(at), "{after} {least:?} {with_published}");
    }
}

/// Each result is in one part of the record, whatever release stored the signal, and in all of it.
async fn each_result_is_in_one_part_of_the_record(bed: Bed) {
    let argo = bed.producer().await;
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "z", true, at(0)).await.unwrap();
    let day = 86_400;
    for (id, producer, created, ended, price) in [
        ("live", &argo, day, day, "101"),
        ("old", &argo, day + 1, day + 2, "102"),
        ("exited-before", &argo, day, day - 1, "104"),
        ("simulated", &zeus, 3 * day, 2 * day, "108"),
    ] {
        let new = signal(producer, id, created);
        bed.store(vec![new.clone()]).await;
        let report = NewOutcome { recorded_at: at(4 * day), ..outcome(&new, price, ended) };
        bed.signals.record_outcome(report).await.unwrap();
    }
    for _sealed in [false, true] {
        for (record, published, trades, percents, backdated) in [
            (Record::Live, 2, 1, 1, 1),
            (Record::Backfilled, 2, 2, 6, 0),
            (Record::Simulated, 1, 1, 8, 0),
            (Record::All, 4, 4, 15, 0),
        ] {
            let filter = PerformanceFilter { record, ..everything() };
            let sums = segment(&bed, &filter).await;
            let sum = percents * i128::from(PnlPercent::SCALE);
            assert_eq!((sums.closed(), sums.sum_of_wins), (trades, sum), "{record}");
            assert_eq!((sums.published, sums.ended), (published, published), "{record}");
            assert_eq!(sums.backdated.count, backdated, "{record}");
            let symbols = closed_symbols(&bed, &filter).await;
            assert_eq!(symbols, [("AAPL".to_owned(), trades)], "{record}");
        }
        seal(&bed).await;
    }
}

/// A day counts what was received on it.
#[tokio::test]
async fn days_of_a_period_are_whole() {
    let bed = Bed::memory();
    closed(&bed, "1", "AAPL", "101", 10).await;
    let day = alpine_domain::analytics::Day::of(at(10));
    for (from, to, trades) in [(0, 0, 1), (-1, 0, 1), (1, 2, 0), (-2, -1, 0)] {
        let of = |days: i64| Some(alpine_domain::analytics::Day::new(day.number() + days));
        let period = Period { from: of(from), to: of(to) };
        let filter = PerformanceFilter { period, ..everything() };
        assert_eq!(segment(&bed, &filter).await.closed(), trades, "{from} {to}");
    }
}
