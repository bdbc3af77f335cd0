//! Outcomes that are reported after their signals have expired.

use std::time::Duration;

use alpine_domain::{
    Error,
    page::Slice,
    signal::{
        NewSignal, Outcome, OutcomeRecorded, PnlPercent, Released, SignalQuery, SignalState,
        SignalStatus,
    },
    statistics::{LateOutcomes, PerformanceFilter},
};

use crate::statistics::{closed_symbols, seal, segment};
use crate::support::{Bed, DatabaseBed, at, on_every, outcome, signal};

on_every!(
    a_late_outcome_is_kept_once_beside_the_expiry,
    a_late_outcome_that_breaks_a_rule_leaves_no_trace,
    one_of_many_concurrent_late_outcomes_counts,
    an_expiry_that_a_producer_reported_takes_no_late_outcome,
    a_clock_that_runs_behind_records_nothing_before_the_expiry,
    a_late_outcome_is_listed_from_its_own_instant_on,
    figures_count_late_outcomes_only_when_asked,
    late_outcomes_are_released_like_others;
    databases:
    the_database_takes_no_late_outcome_where_none_belongs,
    a_late_outcome_never_changes,
    a_late_outcome_that_cannot_be_read_is_left_out_and_counted,
);

/// Signals of these names, accepted at 0 and expired at 100.
async fn expired(bed: &Bed, names: &[&str]) -> Vec<NewSignal> {
    let argo = bed.producer().await;
    let news: Vec<_> = names.iter().map(|name| signal(&argo, name, 0)).collect();
    bed.store(news.clone()).await;
    let done = bed.signals.expire(at(100), Duration::from_secs(10), &[], 100).await.unwrap();
    assert_eq!(done.len(), names.len());
    news
}

async fn late(bed: &Bed, new: &NewSignal, price: &str, seconds: i64) -> OutcomeRecorded {
    bed.signals.record_outcome(outcome(new, price, seconds)).await.unwrap()
}

async fn a_late_outcome_is_kept_once_beside_the_expiry(bed: Bed) {
    let new = expired(&bed, &["SIG-1"]).await.remove(0);
    let mut report = outcome(&new, "110.0", 60);
    report.recorded_at = at(200);
    let kept = bed.signals.record_outcome(report.clone()).await.unwrap();
    let OutcomeRecorded::Late(signal) = kept else {
        panic!("{kept:?}");
    };
    assert_eq!(
        (signal.status(), &signal.outcome),
        (SignalStatus::Expired, &Some(Outcome::expired(at(100))))
    );
    let expected = Outcome {
        status: SignalStatus::TargetHit,
        exit_price: Some("110.0".parse().unwrap()),
        pnl: Some(PnlPercent::from_steps(10 * PnlPercent::SCALE)),
        exit_timestamp: Some(at(60).to_string()),
        closed_at: at(60),
        recorded_at: at(200),
    };
    assert_eq!(signal.late_outcome, Some(expected));
    // Read back to the letter, by either name.
    assert_eq!(bed.signals.find(signal.id).await.unwrap(), Some(signal.clone()));
    let found = bed.signals.find_external(new.producer, &new.external_id).await.unwrap();
    assert_eq!(found, Some(signal.clone()));

    // Again, later: the same answer, and the time of the first one. Another one is refused.
    report.recorded_at = at(300);
    let again = bed.signals.record_outcome(report).await.unwrap();
    assert_eq!(again, OutcomeRecorded::Repeated(signal.clone()));
    assert_eq!(late(&bed, &new, "95", 60).await, OutcomeRecorded::Conflict(signal));
    let kinds = bed.kinds().await;
    assert_eq!(
        kinds,
        ["producers_changed", "signal_published", "signal_closed", "late_outcome_recorded"]
    );
}

async fn a_late_outcome_that_breaks_a_rule_leaves_no_trace(bed: Bed) {
    let new = expired(&bed, &["SIG-1"]).await.remove(0);
    let early = bed.signals.record_outcome(outcome(&new, "110", -60)).await;
    assert!(matches!(early, Err(Error::Invalid(fields)) if fields[0].field == "exit_timestamp"));
    let unknown = NewSignal { external_id: "SIG-9".parse().unwrap(), ..new.clone() };
    assert_eq!(late(&bed, &unknown, "110", 60).await, OutcomeRecorded::UnknownSignal);
    assert!(matches!(late(&bed, &new, "90", 60).await, OutcomeRecorded::Late(_)));
}

async fn one_of_many_concurrent_late_outcomes_counts(bed: Bed) {
    let new = expired(&bed, &["SIG-1"]).await.remove(0);
    let callers: Vec<_> = (0..6)
        .map(|n| {
            let (signals, report) = (bed.signals.clone(), outcome(&new, &format!("9{n}"), 60));
            tokio::spawn(async move { signals.record_outcome(report).await.unwrap() })
        })
        .collect();
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for caller in callers {
        match caller.await.unwrap() {
            OutcomeRecorded::Late(signal) => kept.push(signal),
            OutcomeRecorded::Conflict(signal) => refused.push(signal),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((kept.len(), refused.len()), (1, 5));
    assert!(refused.iter().all(|signal| *signal == kept[0]), "each is told which one counts");
}

/// Its producer said itself how it ended: nothing more can come.
async fn an_expiry_that_a_producer_reported_takes_no_late_outcome(bed: Bed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    bed.store(vec![new.clone()]).await;
    let mut report = outcome(&new, "101", 60);
    report.status = Some(SignalStatus::Expired);
    let closed = bed.signals.record_outcome(report).await.unwrap();
    assert!(matches!(closed, OutcomeRecorded::Closed(_)), "{closed:?}");
    let other = late(&bed, &new, "110", 70).await;
    assert!(matches!(other, OutcomeRecorded::Conflict(_)), "{other:?}");
}

async fn the_database_takes_no_late_outcome_where_none_belongs(bed: DatabaseBed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    bed.store(vec![new.clone()]).await;
    bed.signals.record_outcome(outcome(&new, "101", 60)).await.unwrap();
    let planted = "INSERT INTO late_outcomes \
         SELECT signal_id, 'closed', '1', 1, '', closed_at, recorded_at FROM outcomes";
    let error = bed.execute(planted).await.expect_err("the signal has not expired");
    assert!(error.contains("has not expired"), "{error}");
}

async fn a_clock_that_runs_behind_records_nothing_before_the_expiry(bed: Bed) {
    let new = expired(&bed, &["SIG-1"]).await.remove(0);
    let kept = late(&bed, &new, "110", 60).await;
    let OutcomeRecorded::Late(signal) = kept else {
        panic!("{kept:?}");
    };
    assert_eq!(signal.late_outcome.unwrap().recorded_at, at(100));
}

async fn a_late_outcome_never_changes(bed: DatabaseBed) {
    let news = expired(&bed, &["SIG-1", "SIG-2"]).await;
    late(&bed, &news[0], "110", 200).await;
    let found =
        async || bed.signals.find_external(news[0].producer, &news[0].external_id).await.unwrap();
    let before = found().await;
    let mut attempts = vec![
        "UPDATE late_outcomes SET exit_price = '1'",
        "UPDATE late_outcomes SET signal_id = signal_id + 1",
        "DELETE FROM late_outcomes",
        "DELETE FROM outcomes",
    ];
    if bed.is_postgres() {
        attempts.extend(["TRUNCATE late_outcomes", "TRUNCATE outcomes CASCADE"]);
    } else {
        attempts.push("UPDATE OR REPLACE late_outcomes SET exit_price = '1'");
    }
    for attempt in attempts {
        let error = bed.execute(attempt).await.expect_err(attempt);
        assert!(error.contains("immutable"), "{attempt}: {error}");
        assert_eq!(found().await, before, "{attempt}");
    }
    let values = "'stop_hit', '1', -1, '', 0, 0 FROM signals WHERE external_id =";
    if bed.is_postgres() {
        let update = format!(
            "INSERT INTO late_outcomes SELECT id, {values} 'SIG-1' \
             ON CONFLICT (signal_id) DO UPDATE SET exit_price = '1'"
        );
        let error = bed.execute(&update).await.expect_err("an update");
        assert!(error.contains("immutable"), "{error}");
    } else {
        let replace = format!("INSERT OR REPLACE INTO late_outcomes SELECT id, {values} 'SIG-1'");
        bed.execute(&replace).await.unwrap();
    }
    assert_eq!(found().await, before);
}

/// As lists are told: open, expired, expired with a late outcome; and when it will be the next time.
async fn a_late_outcome_is_listed_from_its_own_instant_on(bed: Bed) {
    let news = expired(&bed, &["SIG-1", "SIG-2"]).await;
    late(&bed, &news[0], "110", 200).await;
    let listed = async |state, seconds| {
        let query = SignalQuery { state, ..SignalQuery::all(at(seconds)) };
        let rows = bed.signals.list(&query, Slice::first(9)).await.unwrap();
        let late = |signal: &alpine_domain::signal::Signal| {
            (signal.status(), signal.late_outcome.is_some())
        };
        let rows: Vec<_> = rows.iter().map(late).collect();
        (rows, bed.signals.next_change_after(&query).await.unwrap())
    };
    let (open, ended) = ((SignalStatus::Open, false), (SignalStatus::Expired, false));
    let with_late = (SignalStatus::Expired, true);
    let any = SignalState::Any;
    assert_eq!(listed(any, 99).await, (vec![open, open], Some(at(100))));
    assert_eq!(listed(any, 199).await, (vec![ended, ended], Some(at(200))));
    assert_eq!(listed(any, 200).await, (vec![ended, with_late], None));
    let status = SignalState::Status(SignalStatus::Expired);
    assert_eq!(listed(status, 199).await, (vec![ended, ended], Some(at(200))));
    assert_eq!(listed(status, 200).await, (vec![ended, with_late], None));
    // Lists of what is open, or closed otherwise, show none and do not change by one.
    assert_eq!(listed(SignalState::Open, 199).await, (vec![], None));
    assert_eq!(listed(SignalState::Status(SignalStatus::TargetHit), 300).await, (vec![], None));
}

fn filter(late: LateOutcomes) -> PerformanceFilter {
    PerformanceFilter { late, ..PerformanceFilter::all(Released::all(at(1_000_000))) }
}

async fn figures_count_late_outcomes_only_when_asked(bed: Bed) {
    let news = expired(&bed, &["SIG-1", "SIG-2", "SIG-3"]).await;
    let argo = bed.producer().await;
    let mut in_time = signal(&argo, "SIG-4", 110);
    in_time.strategy = None;
    in_time.symbol = "MSFT".parse().unwrap();
    bed.store(vec![in_time.clone()]).await;
    bed.signals.record_outcome(outcome(&in_time, "105", 150)).await.unwrap();
    let (without, with) = (filter(LateOutcomes::Exclude), filter(LateOutcomes::Include));
    let before = segment(&bed, &without).await;
    assert_eq!(segment(&bed, &with).await, before, "there are none yet");

    late(&bed, &news[0], "110", 200).await;
    late(&bed, &news[1], "97.5", 50).await;
    for _sealed in [false, true] {
        assert_eq!(segment(&bed, &without).await, before);
        let sums = segment(&bed, &with).await;
        assert_eq!((sums.closed(), sums.wins, sums.late), (3, 2, 2));
        assert_eq!(sums.sum_of_wins, 15 * i128::from(PnlPercent::SCALE));
        assert_eq!(sums.sum_of_losses, -250_000_000);
        assert_eq!((sums.expired.count, sums.recovered.count), (3, 2));
        let only = |change: fn(&mut PerformanceFilter)| {
            let mut some = filter(LateOutcomes::Include);
            change(&mut some);
            some
        };
        for (some, trades) in [
            (only(|f| f.choice.symbol = Some("AAPL".parse().unwrap())), (2, 2)),
            (only(|f| f.choice.symbol = Some("MSFT".parse().unwrap())), (1, 0)),
            (only(|f| f.choice.strategy = Some("momentum".parse().unwrap())), (2, 2)),
        ] {
            let sums = segment(&bed, &some).await;
            assert_eq!((sums.closed(), sums.late), trades, "{some:?}");
        }
        // In order of receipt, whichever table they stand in.
        let steps: Vec<i64> = sums.trades.unwrap().iter().map(|trade| trade.pnl.steps()).collect();
        assert_eq!(steps, [-250_000_000, 500_000_000, 1_000_000_000]);
        let symbols = closed_symbols(&bed, &without).await;
        assert_eq!(symbols, [("MSFT".to_owned(), 1)]);
        seal(&bed).await;
    }
}

/// By confidence and by time, and the next one is foreseen.
async fn late_outcomes_are_released_like_others(bed: Bed) {
    let argo = bed.producer().await;
    let mut news = Vec::new();
    for (name, confidence) in [("plain", "84.9"), ("premium", "85")] {
        let mut new = signal(&argo, name, 0);
        new.confidence = confidence.parse().unwrap();
        news.push(new);
    }
    bed.store(news.clone()).await;
    bed.signals.expire(at(100), Duration::from_secs(10), &[], 100).await.unwrap();
    late(&bed, &news[0], "101", 200).await;
    late(&bed, &news[1], "101", 300).await;
    let public = |seconds| Released::all(at(seconds));
    let paid = |seconds, others| Released {
        as_of: at(seconds),
        below: Some(85.0),
        others_as_of: at(others),
    };
    for (released, expected) in [
        (public(199), 0),
        (public(200), 1),
        (public(300), 2),
        (paid(299, 299), 1),
        (paid(900, 299), 1),
        (paid(900, 300), 2),
    ] {
        let filter = PerformanceFilter { released, ..filter(LateOutcomes::Include) };
        assert_eq!(segment(&bed, &filter).await.closed(), expected, "{released:?}");
    }
    let (with, without) = (LateOutcomes::Include, LateOutcomes::Exclude);
    for (after, least, late, next) in [
        (0, None, with, Some(100)),
        (100, None, with, Some(200)),
        (100, None, without, None),
        (100, Some(85.0), with, Some(300)),
        (200, None, with, Some(300)),
        (300, None, with, None),
    ] {
        let found = bed.signals.next_after(at(after), least, late, false).await.unwrap();
        assert_eq!(found, next.map(at), "{after} {least:?} {late}");
    }
}

/// The signal is told all the same: it has expired.
async fn a_late_outcome_that_cannot_be_read_is_left_out_and_counted(bed: DatabaseBed) {
    let new = expired(&bed, &["SIG-1"]).await.remove(0);
    bed.execute(
        "INSERT INTO late_outcomes \
         SELECT id, 'closed', 'no price', 1, '', created_at, created_at FROM signals",
    )
    .await
    .unwrap();
    let query = SignalQuery::all(at(900));
    let listed = bed.signals.list(&query, Slice::first(9)).await.unwrap().remove(0);
    let found = bed.signals.find(listed.id).await.unwrap().unwrap();
    for signal in [listed, found] {
        assert_eq!((signal.status(), signal.late_outcome), (SignalStatus::Expired, None));
    }
    let report = bed.signals.record_outcome(outcome(&new, "110", 200)).await.unwrap();
    assert!(matches!(report, OutcomeRecorded::Conflict(_)), "{report:?}");
    let text = prometheus::TextEncoder::new().encode_to_string(&bed.registry.gather()).unwrap();
    assert!(text.contains("db_unreadable_rows_total{table=\"late_outcomes\"} 4"), "{text}");
}
