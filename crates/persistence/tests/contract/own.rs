//! What a producer sees of its own signals, and how it tells of many ends at once.

use std::time::Duration;

use alpine_domain::{
    page::{Cursor, Slice},
    producer::Producer,
    signal::{OutcomeRecorded, OwnFilter, Signal, SignalStatus},
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(
    a_producer_sees_its_own_signals_and_nobody_elses,
    own_signals_are_found_by_what_happened_to_them,
    each_of_many_outcomes_is_settled_by_itself,
);

async fn listed(bed: &Bed, producer: &Producer, filter: &OwnFilter) -> Vec<Signal> {
    let found = bed.signals.own(producer.id, filter, Slice::first(500)).await.unwrap();
    let count = bed.signals.count_own(producer.id, filter, 10_000).await.unwrap();
    assert_eq!(count as usize, found.len(), "{filter:?}");
    found
}

fn names(signals: &[Signal]) -> Vec<&str> {
    signals.iter().map(|signal| signal.content.external_id.as_str()).collect()
}

async fn a_producer_sees_its_own_signals_and_nobody_elses(bed: Bed) {
    let argo = bed.producer().await;
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "zeus", false, at(0)).await.unwrap();
    let named = |name: &str, seconds| signal(&argo, name, seconds);
    bed.store(vec![named("a", 0), named("b", 10), named("c", 10), signal(&zeus, "z", 20)]).await;
    let all = OwnFilter::default();
    assert_eq!(names(&listed(&bed, &zeus, &all).await), ["z"]);
    let mine = listed(&bed, &argo, &all).await;
    assert_eq!(names(&mine), ["c", "b", "a"]);
    assert_eq!(bed.signals.count_own(argo.id, &all, 2).await.unwrap(), 2, "counting stops there");
    let after = Cursor { created_at: mine[0].content.created_at, id: mine[0].id };
    for slice in [
        Slice { limit: 1, offset: 1, after: None },
        Slice { limit: 1, offset: 7, after: Some(after) },
    ] {
        let found = bed.signals.own(argo.id, &all, slice).await.unwrap();
        assert_eq!(names(&found), ["b"], "{slice:?}");
    }
}

async fn own_signals_are_found_by_what_happened_to_them(bed: Bed) {
    let argo = bed.producer().await;
    let mut old = signal(&argo, "expired", 0);
    old.symbol = "BTC-USD".parse().unwrap();
    let news = vec![old, signal(&argo, "closed", 50), signal(&argo, "open", 60)];
    bed.store(news.clone()).await;
    let horizon = Duration::from_secs(10);
    assert_eq!(bed.signals.expire(at(30), horizon, &[], 100).await.unwrap().len(), 1);
    bed.signals.record_outcome(outcome(&news[1], "110.0", 90)).await.unwrap();
    let found = async |filter: OwnFilter| {
        let found = listed(&bed, &argo, &filter).await;
        names(&found).join(" ")
    };
    let of = |status| OwnFilter { status: Some(status), ..OwnFilter::default() };
    assert_eq!(found(of(SignalStatus::Open)).await, "open");
    assert_eq!(found(of(SignalStatus::Expired)).await, "expired");
    assert_eq!(found(of(SignalStatus::TargetHit)).await, "closed");
    assert_eq!(found(of(SignalStatus::StopHit)).await, "");
    let symbol = Some("BTC-USD".parse().unwrap());
    assert_eq!(found(OwnFilter { symbol, ..OwnFilter::default() }).await, "expired");
    let since = |seconds| OwnFilter { updated_after: Some(at(seconds)), ..OwnFilter::default() };
    assert_eq!(found(since(-1)).await, "open closed expired");
    assert_eq!(found(since(29)).await, "open closed expired", "it expired at 30");
    assert_eq!(found(since(30)).await, "open closed");
    assert_eq!(found(since(59)).await, "open closed");
    assert_eq!(found(since(60)).await, "closed");
    assert_eq!(found(since(90)).await, "");
    let mut late = outcome(&news[0], "110.0", 20);
    late.recorded_at = at(100);
    bed.signals.record_outcome(late).await.unwrap();
    assert_eq!(found(since(99)).await, "expired");
    let own = listed(&bed, &argo, &since(99)).await;
    assert!(own[0].late_outcome.is_some());
}

async fn each_of_many_outcomes_is_settled_by_itself(bed: Bed) {
    let argo = bed.producer().await;
    let news: Vec<_> = (0..600).map(|number| signal(&argo, &format!("S{number}"), 0)).collect();
    bed.store(news.clone()).await;
    // More than one transaction keeps.
    let mut reports: Vec<_> = news.iter().map(|new| outcome(new, "110.0", 60)).collect();
    let mut early = outcome(&news[1], "110.0", 60);
    early.exited_at = at(-1);
    reports[1] = early;
    reports[2].external_id = "unknown".parse().unwrap();
    reports[3] = outcome(&news[0], "110.0", 60);
    reports[4] = outcome(&news[0], "111.0", 60);
    let told = bed.signals.record_outcomes(reports.clone()).await.unwrap();
    assert_eq!(told.len(), 600);
    assert!(matches!(told[0], Ok(OutcomeRecorded::Closed(_))));
    assert_eq!(told[1].as_ref().unwrap_err()[0].field, "exit_timestamp");
    assert_eq!(told[2], Ok(OutcomeRecorded::UnknownSignal));
    assert!(matches!(told[3], Ok(OutcomeRecorded::Repeated(_))));
    assert!(matches!(told[4], Ok(OutcomeRecorded::Conflict(_))));
    let closed = told.iter().filter(|it| matches!(it, Ok(OutcomeRecorded::Closed(_)))).count();
    assert_eq!(closed, 596);
    let open = OwnFilter { status: Some(SignalStatus::Open), ..OwnFilter::default() };
    assert_eq!(bed.signals.count_own(argo.id, &open, 1_000).await.unwrap(), 4);
}
