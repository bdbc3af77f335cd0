//! Lists of signals as things were known at an instant.

use std::sync::{Arc, Mutex};

use alpine_domain::{
    Timestamp,
    page::{Cursor, Slice},
    signal::{
        Accepted, ExternalId, NewOutcome, Origin, OutcomeRecorded, Record, Released, Signal,
        SignalId, SignalQuery, SignalReader as _, SignalState, SignalStatus,
    },
    statistics::{PerformanceFilter, StatisticsStore as _},
};

use alpine_persistence::{AnyConnection, Signals};
use diesel::connection::{Connection as _, InstrumentationEvent};

use crate::support::{Bed, DatabaseBed, at, on_every, outcome, signal};

on_every!(
    every_condition_filters,
    what_was_open_is_told_as_it_was,
    pages_follow_each_other_without_gap_or_overlap,
    the_next_change_is_foreseen;
    databases:
    a_row_that_cannot_be_read_is_left_out_and_counted,
    what_is_hidden_costs_a_late_reader_no_statement,
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
    low.origin = Origin::Backfilled;
    let mut edge = signal(&argo, "edge", 10);
    edge.confidence = "85".parse().unwrap();
    edge.symbol = "BTC-USD".parse().unwrap();
    let mut high = signal(&argo, "high", 20);
    high.confidence = "100.0".parse().unwrap();
    high.action = "SELL".parse().unwrap();
    (high.is_simulated, high.origin) = (true, Origin::Simulated);
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
        let until = SignalQuery { until: Some(at(10)), ..all() };
        assert_eq!(listed(&bed, &until).await, [low]);
        let current = SignalQuery { without_history: true, ..all() };
        assert_eq!(listed(&bed, &current).await, [high, edge]);
        assert_eq!(bed.signals.count(&current, 9).await.unwrap(), 2);
        for (record, expected) in [
            (Record::Live, vec![edge]),
            (Record::Backfilled, vec![low]),
            (Record::Simulated, vec![high]),
            (Record::All, vec![high, edge, low]),
        ] {
            let part = SignalQuery { record, ..all() };
            assert_eq!(listed(&bed, &part).await, expected, "{record}");
        }
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
    for (closed, seconds) in [(&news[1], 40), (&news[2], 50)] {
        bed.signals.record_outcome(outcome(closed, "110", seconds)).await.unwrap();
    }
    assert_eq!(next(30, None).await, Some(at(40)), "the first of two ends");
}

/// Year 0 in UTC, as a release without bounds stored it.
const YEAR_0: i64 = -62_167_222_800_000_000;

/// Plants a copy of `SIG-0` under another id, with one column set to what no signal can hold.
async fn plant(bed: &DatabaseBed, id: &str, created_at: i64, column: &str, value: &str) {
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

async fn a_row_that_cannot_be_read_is_left_out_and_counted(bed: DatabaseBed) {
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
    // An outcome finds no such signal either, be it the signal or its outcome that cannot be read.
    for id in ["BAD-1", "BAD-3"] {
        let before = count(&metrics());
        let external_id: ExternalId = id.parse().unwrap();
        assert_eq!(bed.signals.find_external(argo.id, &external_id).await.unwrap(), None);
        let report = NewOutcome { external_id, ..outcome(&news[0], "110", 30) };
        let answer = bed.signals.record_outcome(report).await.unwrap();
        assert_eq!(answer, OutcomeRecorded::UnknownSignal, "{id}");
        assert_eq!(count(&metrics()), before + 2);
    }
    // What no calendar tells is in no figure either, and takes none away.
    let filter = PerformanceFilter::all(Released::all(at(1_000_000)));
    let sums = crate::statistics::segment(&bed, &filter).await;
    assert_eq!((sums.closed(), sums.trades.map(|trades| trades.len())), (3, Some(3)));
    assert_eq!(crate::statistics::closed_symbols(&bed, &filter).await.len(), 1);
}

/// A pool of one connection, and the statements that ran on it since they were taken last.
async fn watched(bed: &DatabaseBed) -> (Signals, Arc<Mutex<Vec<String>>>) {
    let database = bed.another(|settings| (settings.pool_kept, settings.pool_max) = (1, 1));
    let statements = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&statements);
    let watch = move |conn: &mut AnyConnection| {
        let seen = Arc::clone(&seen);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                // Without the values, which follow, and whatever their number is.
                let text = text.split("-- binds").next().unwrap_or_default().trim().to_owned();
                seen.lock().unwrap().push(text);
            }
        });
        Ok(())
    };
    database.read("test", watch).await.unwrap();
    (Signals::new(database), statements)
}

async fn ask_everything(signals: &Signals, as_of: Timestamp, is_late: bool) {
    for state in [SignalState::Open, SignalState::Any, SignalState::Status(SignalStatus::TargetHit)]
    {
        let query = SignalQuery { state, below: Some(85.0), is_late, ..SignalQuery::all(as_of) };
        for offset in [0, 1] {
            let slice = Slice { limit: 10, offset, after: None };
            signals.list(&query, slice).await.unwrap();
        }
        signals.count(&query, 100).await.unwrap();
        signals.next_change_after(&query).await.unwrap();
    }
}

/// A reader who is late makes the same statements run, in the same order, whether something happened
/// meanwhile or not: one more would show in the time of the answer.
async fn what_is_hidden_costs_a_late_reader_no_statement(bed: DatabaseBed) {
    let argo = bed.producer().await;
    let with_confidence = |id: &str, seconds, confidence: &str| {
        let mut signal = signal(&argo, id, seconds);
        signal.confidence = confidence.parse().unwrap();
        signal
    };
    let news: Vec<_> = (0..6).map(|n| with_confidence(&format!("SIG-{n}"), n, "70")).collect();
    bed.store(news.clone()).await;
    let premium = with_confidence("premium", 6, "97");
    bed.store(vec![premium.clone()]).await;
    bed.signals.record_outcome(outcome(&news[5], "110", 20)).await.unwrap();
    let (signals, statements) = watched(&bed).await;
    let asked = async || {
        ask_everything(&signals, at(100), true).await;
        let taken = std::mem::take(&mut *statements.lock().unwrap());
        // How many signals are named is no other statement.
        taken.iter().map(|text| text.replace(", ?", "")).collect::<Vec<_>>()
    };
    let _of_the_ids = asked().await;
    let quiet = asked().await;
    assert!(quiet.len() > 12, "{quiet:#?}");
    bed.signals.record_outcome(outcome(&premium, "110", 110)).await.unwrap();
    assert_eq!(asked().await, quiet, "a signal of others closed");
    bed.store(vec![with_confidence("hidden", 120, "70")]).await;
    assert_eq!(asked().await, quiet, "a signal was published");
    for closed in &news[..3] {
        bed.signals.record_outcome(outcome(closed, "110", 130)).await.unwrap();
        assert_eq!(asked().await, quiet, "{} closed", closed.external_id);
    }
}

/// More closed signals than are named one by one are found all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_closed_meanwhile_they_are_told_as_open() {
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    let news: Vec<_> = (0..510).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    bed.store(news.clone()).await;
    for signal in &news[..505] {
        bed.signals.record_outcome(outcome(signal, "110", 2_000)).await.unwrap();
    }
    let query =
        SignalQuery { state: SignalState::Open, is_late: true, ..SignalQuery::all(at(1_999)) };
    assert_eq!(bed.signals.list(&query, Slice::first(600)).await.unwrap().len(), 510);
    assert_eq!(bed.signals.count(&query, 10_000).await.unwrap(), 510);
    assert_eq!(bed.signals.next_change_after(&query).await.unwrap(), Some(at(2_000)));
}

/// On SQLite every statement that reads signals or outcomes can be ended, but for those that name what
/// they read or take the end of an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_may_read_much_ask_whether_they_are_awaited() {
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "one", 0)]).await;
    let (signals, statements) = watched(&bed).await;
    ask_everything(&signals, at(100), true).await;
    let filter = PerformanceFilter {
        late: alpine_domain::statistics::LateOutcomes::Include,
        ..PerformanceFilter::all(Released::all(at(100)))
    };
    let horizons = alpine_domain::statistics::Horizons::default();
    let month = alpine_domain::statistics::Finest::Level(alpine_domain::statistics::Level::Month);
    signals.read(&filter, month, &horizons, at(100), 10).await.unwrap();
    signals.symbols(&filter).await.unwrap();
    let texts = statements.lock().unwrap().clone();
    let asks_first = |text: &&String| {
        let condition = text.split_once("WHERE ").map_or("", |(_, condition)| condition);
        condition.trim_start_matches('(').starts_with("alpine_awaited()")
    };
    let (asking, others): (Vec<_>, Vec<_>) = texts.iter().partition(asks_first);
    assert!(asking.len() >= 15, "{texts:#?}");
    for text in others {
        let is_bounded = text.contains("`signals`.`id` IN")
            || text.contains("WHERE (`signals`.`id` = ?)")
            || text.contains("FROM `outcomes` WHERE (`outcomes`.`recorded_at` >")
            || !text.contains("`signals`");
        assert!(is_bounded, "{text}");
    }
}
