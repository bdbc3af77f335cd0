//! Outcomes and expiry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    AgreedTime, Error, Timestamp,
    signal::{Expiry, ExpiryEnd, ExpirySettings, Outcome, OutcomeRecorded, SignalStatus, Strategy},
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(
    an_outcome_is_recorded_once,
    an_outcome_that_breaks_a_rule_leaves_no_trace,
    one_of_many_concurrent_outcomes_counts,
    each_strategy_expires_by_its_own_horizon,
    three_callers_expire_each_signal_once,
    a_run_of_expiry_is_bounded_and_the_next_one_goes_on,
    nothing_expires_while_the_clocks_differ,
);

/// Clocks that agree on day 40 of the epoch so many times, and differ then.
struct AgreeTimes(AtomicUsize);

impl AgreedTime for AgreeTimes {
    fn agreed_now(&self) -> Option<Timestamp> {
        let less = |times: usize| times.checked_sub(1);
        let agree = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        agree.then(|| at(40 * 86_400))
    }
}

/// Expiry after 30 days of so many signals in one run, by clocks that agree so many times.
fn expiry(bed: &Bed, max_expired_per_run: u32, agree: usize) -> Expiry {
    let time = Arc::new(AgreeTimes(AtomicUsize::new(agree)));
    let settings = ExpirySettings { max_expired_per_run, ..ExpirySettings::default() };
    Expiry::new(bed.signals.clone(), time, settings)
}

async fn a_run_of_expiry_is_bounded_and_the_next_one_goes_on(bed: Bed) {
    let argo = bed.producer().await;
    bed.store((0..1_203).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect()).await;
    let expiry = expiry(&bed, 600, usize::MAX);
    assert_eq!(expiry.run_once().await.unwrap(), (600, ExpiryEnd::Bound));
    assert_eq!(expiry.run_once().await.unwrap(), (600, ExpiryEnd::Bound));
    assert_eq!(expiry.run_once().await.unwrap(), (3, ExpiryEnd::Done));
    assert_eq!(expiry.run_once().await.unwrap(), (0, ExpiryEnd::Done));
}

async fn nothing_expires_while_the_clocks_differ(bed: Bed) {
    let argo = bed.producer().await;
    bed.store((0..1_203).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect()).await;
    let differ = ExpiryEnd::ClocksDiffer;
    assert_eq!(expiry(&bed, 10_000, 0).run_once().await.unwrap(), (0, differ));
    let after_one_batch = expiry(&bed, 10_000, 1).run_once().await.unwrap();
    assert_eq!(after_one_batch, (500, differ), "the clocks are asked before each batch");
    assert_eq!(expiry(&bed, 10_000, 3).run_once().await.unwrap(), (703, ExpiryEnd::Done));
}

async fn an_outcome_is_recorded_once(bed: Bed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    let id = bed.store(vec![new.clone()]).await[0];
    let report = outcome(&new, "110.0", 60);
    let closed = bed.signals.record_outcome(report.clone()).await.unwrap();
    let OutcomeRecorded::Closed(signal) = closed else {
        panic!("{closed:?}");
    };
    assert_eq!(signal.status(), SignalStatus::TargetHit);
    assert_eq!(signal.outcome.as_ref().unwrap().pnl.unwrap().to_string(), "10");
    assert_eq!(bed.signals.find(id).await.unwrap(), Some(signal.clone()));
    let again = bed.signals.record_outcome(report).await.unwrap();
    assert_eq!(again, OutcomeRecorded::Repeated(signal.clone()));
    let other = bed.signals.record_outcome(outcome(&new, "95", 60)).await.unwrap();
    assert_eq!(other, OutcomeRecorded::Conflict(signal));
    let unknown = crate::support::signal(&argo, "SIG-9", 0);
    let unknown = bed.signals.record_outcome(outcome(&unknown, "95", 60)).await.unwrap();
    assert_eq!(unknown, OutcomeRecorded::UnknownSignal);
    assert_eq!(bed.kinds().await, ["producers_changed", "signal_published", "signal_closed"]);
}

async fn an_outcome_that_breaks_a_rule_leaves_no_trace(bed: Bed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    bed.store(vec![new.clone()]).await;
    let early = bed.signals.record_outcome(outcome(&new, "110", -60)).await;
    assert!(matches!(early, Err(Error::Invalid(fields)) if fields[0].field == "exit_timestamp"));
    let closed = bed.signals.record_outcome(outcome(&new, "90", 60)).await.unwrap();
    assert!(matches!(closed, OutcomeRecorded::Closed(_)));
}

async fn one_of_many_concurrent_outcomes_counts(bed: Bed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    bed.store(vec![new.clone()]).await;
    let callers: Vec<_> = (0..6)
        .map(|n| {
            let (signals, report) = (bed.signals.clone(), outcome(&new, &format!("9{n}"), 60));
            tokio::spawn(async move { signals.record_outcome(report).await.unwrap() })
        })
        .collect();
    let mut closed = 0;
    for caller in callers {
        match caller.await.unwrap() {
            OutcomeRecorded::Closed(_) => closed += 1,
            OutcomeRecorded::Conflict(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, 1);
}

async fn each_strategy_expires_by_its_own_horizon(bed: Bed) {
    let argo = bed.producer().await;
    let with = |id: &str, strategy: Option<&str>, seconds| {
        let mut new = signal(&argo, id, seconds);
        new.strategy = strategy.map(|name| name.parse().unwrap());
        new
    };
    let ids = bed
        .store(vec![
            with("old-default", Some("other"), 0),
            with("old-none", None, 0),
            with("old-long", Some("long"), 0),
            with("mid-default", None, 50),
            with("mid-short", Some("short"), 50),
            with("new-short", Some("short"), 95),
        ])
        .await;
    let horizons: Vec<(Strategy, Duration)> = vec![
        ("long".parse().unwrap(), Duration::from_secs(1_000)),
        ("short".parse().unwrap(), Duration::from_secs(10)),
    ];
    let default = Duration::from_mins(1);
    let first = bed.signals.expire(at(100), default, &horizons, 2).await.unwrap();
    assert_eq!(first, [ids[0], ids[1]], "the oldest first, at most the limit");
    let then = bed.signals.expire(at(100), default, &horizons, 100).await.unwrap();
    assert_eq!(then, [ids[4]]);
    assert!(bed.signals.expire(at(100), default, &horizons, 100).await.unwrap().is_empty());
    let expired = bed.signals.find(ids[4]).await.unwrap().unwrap();
    assert_eq!(expired.outcome, Some(Outcome::expired(at(100))));
    let rest = bed.signals.expire(at(200), default, &[], 100).await.unwrap();
    assert_eq!(rest, [ids[2], ids[3], ids[5]]);
}

async fn three_callers_expire_each_signal_once(bed: Bed) {
    let argo = bed.producer().await;
    let batch = (0..700).map(|n| signal(&argo, &format!("SIG-{n}"), 0)).collect();
    let mut stored = bed.store(batch).await;
    stored.sort_unstable();
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let signals = bed.signals.clone();
            tokio::spawn(async move {
                let day = Duration::from_hours(24);
                signals.expire(at(90_000), day, &[], 1_000).await.unwrap()
            })
        })
        .collect();
    let mut expired = Vec::new();
    for caller in callers {
        expired.extend(caller.await.unwrap());
    }
    expired.sort_unstable();
    assert_eq!(expired, stored);
    let kinds = bed.kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "signal_closed").count(), 700);
}
