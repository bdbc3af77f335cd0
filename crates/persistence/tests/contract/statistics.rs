//! Statistics over closed signals.

use std::time::Duration;

use alpine_domain::{
    signal::{NewOutcome, NewSignal, PnlPercent, Record, Released},
    statistics::{Aggregates, LateOutcomes, PerformanceFilter, SymbolCounts},
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(
    sums_are_exact_and_filtered,
    each_result_is_in_one_part_of_the_record,
    sums_do_not_overflow,
    points_come_in_order_of_receipt,
    symbols_are_counted,
    only_what_is_released_counts,
);

/// A reader who knows of everything.
fn late() -> Released {
    Released::all(at(1_000_000))
}

fn everything() -> PerformanceFilter {
    PerformanceFilter::all(late())
}

async fn closed(bed: &Bed, id: &str, symbol: &str, price: &str, seconds: i64) {
    let argo = bed.producer().await;
    let mut new = signal(&argo, id, seconds);
    new.symbol = symbol.parse().unwrap();
    bed.store(vec![new.clone()]).await;
    bed.signals.record_outcome(outcome(&new, price, seconds)).await.unwrap();
}

async fn sums_are_exact_and_filtered(bed: Bed) {
    let none = bed.signals.aggregates(&everything()).await.unwrap();
    assert_eq!(none, Aggregates::default());
    closed(&bed, "1", "AAPL", "100.00000001", 10).await;
    closed(&bed, "2", "AAPL", "97.5", 20).await;
    closed(&bed, "3", "MSFT", "100", 30).await;
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "z", true, at(0)).await.unwrap();
    let mut simulated = signal(&zeus, "4", 40);
    simulated.strategy = None;
    bed.store(vec![simulated.clone()]).await;
    bed.signals.record_outcome(outcome(&simulated, "150", 40)).await.unwrap();
    // Expired signals have no profit or loss and count for nothing.
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "5", 5)]).await;
    bed.signals.expire(at(100), std::time::Duration::ZERO, &[], 9).await.unwrap();

    let all = bed.signals.aggregates(&everything()).await.unwrap();
    let expected = Aggregates {
        trades: 4,
        wins: 2,
        simulated: 1,
        late: 0,
        sum_of_wins: 1 + 50 * i128::from(PnlPercent::SCALE),
        sum_of_losses: -250_000_000,
        largest: Some(PnlPercent::from_steps(50 * PnlPercent::SCALE)),
        smallest: Some(PnlPercent::from_steps(-250_000_000)),
    };
    assert_eq!(all, expected);
    let symbol = PerformanceFilter { symbol: Some("AAPL".parse().unwrap()), ..everything() };
    assert_eq!(bed.signals.aggregates(&symbol).await.unwrap().trades, 3);
    let strategy = Some("momentum".parse().unwrap());
    let filter = PerformanceFilter { strategy, since: Some(at(20)), ..everything() };
    assert_eq!(bed.signals.aggregates(&filter).await.unwrap().trades, 2);
}

async fn sums_do_not_overflow(bed: Bed) {
    // Each near the largest magnitude: more of them than 64 bits of steps could hold.
    for n in 0..12 {
        closed(&bed, &format!("w{n}"), "AAPL", "8999999999", n).await;
    }
    let sums = bed.signals.aggregates(&everything()).await.unwrap();
    assert_eq!(sums.sum_of_wins, 12 * 8_999_999_899 * i128::from(PnlPercent::SCALE));
    assert!(sums.sum_of_wins > i128::from(i64::MAX));
}

async fn points_come_in_order_of_receipt(bed: Bed) {
    closed(&bed, "b", "AAPL", "101", 20).await;
    closed(&bed, "a", "AAPL", "102", 10).await;
    closed(&bed, "c", "MSFT", "103", 20).await;
    let filter = everything();
    let all = bed.signals.closed_points(&filter, None, 10).await.unwrap();
    let percents: Vec<_> = all.iter().map(|point| point.pnl.to_string()).collect();
    assert_eq!(percents, ["2", "1", "3"]);
    let mut paged = Vec::new();
    let mut after = None;
    for _ in 0..4 {
        let page = bed.signals.closed_points(&filter, after, 1).await.unwrap();
        after = page.last().map(|point| (point.recorded_at, point.row)).or(after);
        paged.extend(page);
    }
    assert_eq!(paged, all);
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
    let symbols = bed.signals.symbols(late(), Record::All, 10).await.unwrap();
    let record = |symbol: &str, closed_signals| SymbolCounts {
        symbol: symbol.parse().unwrap(),
        closed_signals,
        simulated_signals: 0,
    };
    assert_eq!(symbols, [record("AAPL", 2), record("MSFT", 1)]);
    assert_eq!(bed.signals.symbols(late(), Record::All, 1).await.unwrap(), [record("AAPL", 2)]);
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
        let symbols = bed.signals.symbols(released, Record::All, 10).await.unwrap();
        let names: Vec<_> = symbols.iter().map(|row| row.symbol.as_str()).collect();
        assert_eq!(names, expected, "{released:?}");
        let trades = bed.signals.aggregates(&filter).await.unwrap().trades;
        let points = bed.signals.closed_points(&filter, None, 10).await.unwrap().len();
        assert_eq!((trades, points), (expected.len() as u64, expected.len()), "{released:?}");
    }
    for (after, least, next) in [
        (19, None, Some(20)),
        (20, None, Some(25)),
        (30, None, None),
        (0, Some(85.0), Some(30)),
        (30, Some(85.0), None),
    ] {
        let late = LateOutcomes::Exclude;
        let found = bed.signals.next_outcome_after(at(after), least, late).await.unwrap();
        assert_eq!(found, next.map(at), "{after} {least:?}");
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
    for (record, trades, percents) in [
        (Record::Live, 1, 1),
        (Record::Backfilled, 2, 6),
        (Record::Simulated, 1, 8),
        (Record::All, 4, 15),
    ] {
        let filter = PerformanceFilter { record, ..everything() };
        let sums = bed.signals.aggregates(&filter).await.unwrap();
        let sum = percents * i128::from(PnlPercent::SCALE);
        assert_eq!((sums.trades, sums.sum_of_wins), (trades, sum), "{record}");
        let points = bed.signals.closed_points(&filter, None, 10).await.unwrap();
        assert_eq!(points.len() as u64, trades, "{record}");
        let symbols = bed.signals.symbols(late(), record, 10).await.unwrap();
        assert_eq!(symbols[0].closed_signals, trades, "{record}");
    }
}
