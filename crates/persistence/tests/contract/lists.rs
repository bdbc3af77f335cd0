//! Lists of signals as things were known at an instant.

use alpine_domain::{
    page::{Cursor, Slice},
    signal::{
        Accepted, Released, Signal, SignalId, SignalQuery, SignalReader as _, SignalState,
        SignalStatus, SignalStore as _,
    },
    statistics::{PerformanceFilter, StatisticsStore as _},
};

use crate::support::{Bed, at, on_both, outcome, signal};

on_both!(
    every_condition_filters,
    what_was_open_is_told_as_it_was,
    pages_follow_each_other_without_gap_or_overlap,
    the_next_change_is_foreseen,
    a_row_that_cannot_be_read_is_left_out_and_counted,
);

fn ids(signals: &[Signal]) -> Vec<SignalId> {
    signals.iter().map(|signal| signal.id).collect()
}

async fn listed(bed: &Bed, query: &SignalQuery) -> Vec<SignalId> {
    let signals = bed.signals.list(query, Slice::first(500)).await.unwrap();
    let count = bed.signals.count(query, 10_000).await.unwrap();
    assert_eq!(count as usize, signals.len(), "{query:?}");
    ids(&signals)
}

async fn every_condition_filters(bed: Bed) {
    let argo = bed.producer().await;
    let mut low = signal(&argo, "low", 0);
    low.confidence = "84.99999999999999".parse().unwrap();
    let mut edge = signal(&argo, "edge", 10);
    edge.confidence = "85".parse().unwrap();
    edge.symbol = "BTC-USD".parse().unwrap();
    let mut high = signal(&argo, "high", 20);
    high.confidence = "100.0".parse().unwrap();
    high.action = "SELL".parse().unwrap();
    let stored = bed.store(vec![low, edge, high]).await;
    let [low, edge, high] = stored[..] else {
        panic!("{stored:?}");
    };
    for state in [SignalState::Any, SignalState::Open] {
        let all = || SignalQuery { state, ..SignalQuery::all(at(100)) };
        assert_eq!(listed(&bed, &all()).await, [high, edge, low]);
        let below = SignalQuery { below: Some(85.0), ..all() };
        assert_eq!(listed(&bed, &below).await, [low]);
        let least = SignalQuery { min_confidence: Some(85.0), ..all() };
        assert_eq!(listed(&bed, &least).await, [high, edge]);
        let symbol = SignalQuery { symbol: Some("BTC-USD".parse().unwrap()), ..all() };
        assert_eq!(listed(&bed, &symbol).await, [edge]);
        let action = SignalQuery { action: Some("SELL".parse().unwrap()), ..all() };
        assert_eq!(listed(&bed, &action).await, [high]);
        let since = SignalQuery { since: Some(at(10)), ..all() };
        assert_eq!(listed(&bed, &since).await, [high, edge]);
        let late = SignalQuery { as_of: at(19), ..all() };
        assert_eq!(listed(&bed, &late).await, [edge, low]);
        assert_eq!(bed.signals.count(&all(), 2).await.unwrap(), 2);
    }
}

async fn what_was_open_is_told_as_it_was(bed: Bed) {
    let argo = bed.producer().await;
    let news: Vec<_> = (0..6).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    let stored = bed.store(news.clone()).await;
    bed.signals.record_outcome(outcome(&news[1], "110", 50)).await.unwrap();
    bed.signals.record_outcome(outcome(&news[4], "90", 60)).await.unwrap();
    let newest_first = |numbers: &[usize]| numbers.iter().map(|n| stored[*n]).collect::<Vec<_>>();
    let open = |seconds| SignalQuery { state: SignalState::Open, ..SignalQuery::all(at(seconds)) };
    assert_eq!(listed(&bed, &open(100)).await, newest_first(&[5, 3, 2, 0]));
    assert_eq!(listed(&bed, &open(55)).await, newest_first(&[5, 4, 3, 2, 0]));
    assert_eq!(listed(&bed, &open(50)).await, newest_first(&[5, 4, 3, 2, 0]));
    assert_eq!(listed(&bed, &open(49)).await, newest_first(&[5, 4, 3, 2, 1, 0]));
    // Offset and cursor go over both kinds of rows.
    let slice = Slice { limit: 2, offset: 1, after: None };
    let page = bed.signals.list(&open(49), slice).await.unwrap();
    assert_eq!(ids(&page), newest_first(&[4, 3]));
    assert!(page.iter().all(|signal| signal.outcome.is_none()));
    let after = Some(Cursor { created_at: at(3), id: stored[3] });
    let page = bed.signals.list(&open(49), Slice { limit: 2, offset: 7, after }).await.unwrap();
    assert_eq!(ids(&page), newest_first(&[2, 1]));

    let closed = |status, seconds| SignalQuery {
        state: SignalState::Status(status),
        ..SignalQuery::all(at(seconds))
    };
    assert_eq!(listed(&bed, &closed(SignalStatus::TargetHit, 50)).await, newest_first(&[1]));
    assert!(listed(&bed, &closed(SignalStatus::TargetHit, 49)).await.is_empty());
    assert_eq!(listed(&bed, &closed(SignalStatus::Closed, 60)).await, newest_first(&[4]));
    assert_eq!(listed(&bed, &closed(SignalStatus::Open, 55)).await.len(), 5);

    // A list of everything shows no outcome before its time.
    let all = bed.signals.list(&SignalQuery::all(at(55)), Slice::first(9)).await.unwrap();
    let status: Vec<_> = all.iter().map(Signal::status).collect();
    let expected = [SignalStatus::Open, SignalStatus::TargetHit];
    assert_eq!((status[1], status[4]), (expected[0], expected[1]));
}

async fn pages_follow_each_other_without_gap_or_overlap(bed: Bed) {
    let argo = bed.producer().await;
    // Many of one instant: the id breaks the tie.
    let news: Vec<_> = (0..57).map(|n| signal(&argo, &format!("SIG-{n}"), n / 20)).collect();
    let mut expected = bed.store(news.clone()).await;
    expected.reverse();
    for n in [3, 17, 30, 50] {
        bed.signals.record_outcome(outcome(&news[n], "110", 500)).await.unwrap();
    }
    for state in [SignalState::Any, SignalState::Open] {
        let query = SignalQuery { state, ..SignalQuery::all(at(100)) };
        let (mut by_cursor, mut by_offset, mut after) = (Vec::new(), Vec::new(), None);
        for page in 0..10 {
            let slice = Slice { limit: 6, offset: 0, after };
            let rows = bed.signals.list(&query, slice).await.unwrap();
            after = rows
                .last()
                .map(|signal| Cursor { created_at: signal.content.created_at, id: signal.id });
            by_cursor.extend(ids(&rows));
            let slice = Slice { limit: 6, offset: page * 6, after: None };
            by_offset.extend(ids(&bed.signals.list(&query, slice).await.unwrap()));
        }
        assert_eq!(by_cursor, expected, "{state:?}");
        assert_eq!(by_offset, expected, "{state:?}");
    }
}

async fn the_next_change_is_foreseen(bed: Bed) {
    let argo = bed.producer().await;
    let mut strong = signal(&argo, "strong", 20);
    strong.confidence = "99".parse().unwrap();
    let news = vec![signal(&argo, "early", 0), strong, signal(&argo, "late", 30)];
    bed.store(news.clone()).await;
    bed.signals.record_outcome(outcome(&news[0], "110", 25)).await.unwrap();
    let next = async |seconds, below| {
        let query =
            SignalQuery { below, state: SignalState::Open, ..SignalQuery::all(at(seconds)) };
        bed.signals.next_change_after(&query).await.unwrap()
    };
    assert_eq!(next(0, None).await, Some(at(20)));
    assert_eq!(next(0, Some(90.0)).await, Some(at(25)));
    assert_eq!(next(25, Some(90.0)).await, Some(at(30)));
    assert_eq!(next(30, None).await, None);
}

/// Year 0 in UTC, as a release without bounds stored it.
const YEAR_0: i64 = -62_167_222_800_000_000;

/// Plants a copy of `SIG-0` under another id, with one column set to what no signal can hold.
async fn plant(bed: &Bed, id: &str, created_at: i64, column: &str, value: &str) {
    let columns = "producer_id, symbol, action, entry_price, confidence, confidence_text, asset_type, \
                   signal_timestamp, signalled_at, hash, content_hash, is_simulated";
    let values = columns.replace(column, value);
    bed.execute(&format!(
        "INSERT INTO signals ({columns}, external_id, created_at) \
         SELECT {values}, '{id}', {created_at} FROM signals WHERE external_id = 'SIG-0'"
    ))
    .await
    .unwrap();
}

async fn a_row_that_cannot_be_read_is_left_out_and_counted(bed: Bed) {
    let argo = bed.producer().await;
    let news: Vec<_> = (0..6).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    let stored = bed.store(news.clone()).await;
    // Older, between, and newer than the others; two that stand together fill a page of their own.
    for (id, seconds, column, value) in [
        ("BAD-0", -1, "symbol", "'<no symbol>'"),
        ("BAD-1", 3, "entry_price", "'-1'"),
        ("BAD-2", 3, "signalled_at", &YEAR_0.to_string()),
        ("BAD-3", 9, "signal_timestamp", "signal_timestamp"),
    ] {
        plant(&bed, id, at(seconds).micros(), column, value).await;
    }
    let close = |id: &str, closed_at: i64| {
        format!(
            "INSERT INTO outcomes (signal_id, status, exit_price, pnl_steps, closed_at, recorded_at) \
             SELECT id, 'closed', '110', 1000000000, {closed_at}, {recorded_at} FROM signals \
             WHERE external_id = '{id}'",
            recorded_at = at(20).micros()
        )
    };
    bed.execute(&close("BAD-3", YEAR_0)).await.unwrap();
    for closed in [&news[1], &news[2], &news[5]] {
        bed.signals.record_outcome(outcome(closed, "110", 20)).await.unwrap();
    }
    let newest_first = |numbers: &[usize]| numbers.iter().map(|n| stored[*n]).collect::<Vec<_>>();
    for (state, expected) in [
        (SignalState::Any, newest_first(&[5, 4, 3, 2, 1, 0])),
        (SignalState::Status(SignalStatus::Closed), Vec::new()),
        (SignalState::Status(SignalStatus::TargetHit), newest_first(&[5, 2, 1])),
    ] {
        let query = SignalQuery { state, ..SignalQuery::all(at(100)) };
        for limit in 1..=7 {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let slice = Slice { limit, offset: 0, after };
                let page = bed.signals.list(&query, slice).await.unwrap();
                found.extend(ids(&page));
                after = page
                    .last()
                    .map(|signal| Cursor { created_at: signal.content.created_at, id: signal.id });
                if page.len() < limit as usize {
                    break;
                }
            }
            assert_eq!(found, expected, "{state:?} by {limit}");
        }
    }
    // As of an instant before the closing, all of them were open.
    let open = SignalQuery { state: SignalState::Open, ..SignalQuery::all(at(10)) };
    let page = bed.signals.list(&open, Slice::first(5)).await.unwrap();
    assert_eq!(ids(&page)[1..], newest_first(&[5, 4, 3, 2]));
    let bad = bed.signals.find_external(argo.id, &"BAD-1".parse().unwrap()).await;
    assert!(matches!(bad, Err(alpine_domain::Error::Internal(_))), "{bad:?}");
    let count = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("db_unreadable_rows_total{table=\"signals\"}"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let metrics =
        || prometheus::TextEncoder::new().encode_to_string(&bed.registry.gather()).unwrap();
    let offered = vec![signal(&argo, "BAD-0", 0)];
    let answers = bed.signals.accept(offered).await.unwrap();
    let [Accepted::Duplicate(unreadable) | Accepted::Conflict(unreadable)] = answers[..] else {
        panic!("{answers:?}");
    };
    let before = count(&metrics());
    assert_eq!(bed.signals.find(unreadable).await.unwrap(), None);
    assert_eq!(count(&metrics()), before + 1);
    // What no calendar tells is in no figure either, and takes none away.
    let filter = PerformanceFilter::all(Released::all(at(1_000_000)));
    let points = bed.signals.closed_points(&filter, None, 10).await.unwrap();
    let sums = bed.signals.aggregates(&filter).await.unwrap();
    assert_eq!((points.len(), sums.trades), (3, 3));
    let symbols = bed.signals.symbols(filter.released, 10).await.unwrap();
    assert_eq!(symbols.len(), 1);
}
