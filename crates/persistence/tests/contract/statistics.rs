//! Statistics over closed signals.

use alpine_domain::{
    producer::ProducerStore as _,
    signal::{PnlPercent, SignalStore as _},
    statistics::{Aggregates, PerformanceFilter, StatisticsStore as _, SymbolCounts},
};

use crate::support::{Bed, at, on_both, outcome, signal};

on_both!(
    sums_are_exact_and_filtered,
    sums_do_not_overflow,
    points_come_in_order_of_closing,
    symbols_are_counted,
);

async fn closed(bed: &Bed, id: &str, symbol: &str, price: &str, seconds: i64) {
    let argo = bed.producer().await;
    let mut new = signal(&argo, id, seconds);
    new.symbol = symbol.parse().unwrap();
    bed.store(vec![new.clone()]).await;
    bed.signals.record_outcome(outcome(&new, price, seconds)).await.unwrap();
}

async fn sums_are_exact_and_filtered(bed: Bed) {
    let none = bed.signals.aggregates(&PerformanceFilter::default()).await.unwrap();
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

    let all = bed.signals.aggregates(&PerformanceFilter::default()).await.unwrap();
    let expected = Aggregates {
        trades: 4,
        wins: 2,
        simulated: 1,
        sum_of_wins: 1 + 50 * i128::from(PnlPercent::SCALE),
        sum_of_losses: -250_000_000,
        largest: Some(PnlPercent::from_steps(50 * PnlPercent::SCALE)),
        smallest: Some(PnlPercent::from_steps(-250_000_000)),
    };
    assert_eq!(all, expected);
    let symbol =
        PerformanceFilter { symbol: Some("AAPL".parse().unwrap()), ..PerformanceFilter::default() };
    assert_eq!(bed.signals.aggregates(&symbol).await.unwrap().trades, 3);
    let strategy = Some("momentum".parse().unwrap());
    let filter =
        PerformanceFilter { strategy, since: Some(at(20)), ..PerformanceFilter::default() };
    assert_eq!(bed.signals.aggregates(&filter).await.unwrap().trades, 2);
}

async fn sums_do_not_overflow(bed: Bed) {
    // Each near the largest magnitude: more of them than 64 bits of steps could hold.
    for n in 0..12 {
        closed(&bed, &format!("w{n}"), "AAPL", "8999999999", n).await;
    }
    let sums = bed.signals.aggregates(&PerformanceFilter::default()).await.unwrap();
    assert_eq!(sums.sum_of_wins, 12 * 8_999_999_899 * i128::from(PnlPercent::SCALE));
    assert!(sums.sum_of_wins > i128::from(i64::MAX));
}

async fn points_come_in_order_of_closing(bed: Bed) {
    closed(&bed, "b", "AAPL", "101", 20).await;
    closed(&bed, "a", "AAPL", "102", 10).await;
    closed(&bed, "c", "MSFT", "103", 20).await;
    let filter = PerformanceFilter::default();
    let all = bed.signals.closed_points(&filter, None, 10).await.unwrap();
    let percents: Vec<_> = all.iter().map(|point| point.pnl.to_string()).collect();
    assert_eq!(percents, ["2", "1", "3"]);
    let mut paged = Vec::new();
    let mut after = None;
    for _ in 0..4 {
        let page = bed.signals.closed_points(&filter, after, 1).await.unwrap();
        after = page.last().map(|point| (point.closed_at, point.row)).or(after);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

async fn symbols_are_counted(bed: Bed) {
    closed(&bed, "1", "MSFT", "101", 10).await;
    closed(&bed, "2", "AAPL", "101", 10).await;
    closed(&bed, "3", "AAPL", "101", 10).await;
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "open", 0)]).await;
    let symbols = bed.signals.symbols(10).await.unwrap();
    let record = |symbol: &str, closed_signals| SymbolCounts {
        symbol: symbol.parse().unwrap(),
        closed_signals,
        simulated_signals: 0,
    };
    assert_eq!(symbols, [record("AAPL", 2), record("MSFT", 1)]);
    assert_eq!(bed.signals.symbols(1).await.unwrap(), [record("AAPL", 2)]);
}
