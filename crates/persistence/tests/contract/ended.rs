//! Which older signals ended since an instant.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    page::Cursor,
    signal::{EndedQuery, NewSignal, Record, Signal, SignalQuery},
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(
    what_ended_since_an_instant_is_told_in_bounded_parts,
    a_late_outcome_counts_of_what_had_expired_before,
    what_ended_is_told_as_it_was_known,
);

/// How many parts there are, and the names in all of them, in order.
async fn ended(bed: &Bed, query: &SignalQuery, ended: EndedQuery) -> (usize, Vec<String>) {
    let (mut parts, mut names, mut after) = (0, Vec::new(), None::<Cursor>);
    loop {
        let part = bed.signals.ended(query, EndedQuery { after, ..ended }).await.unwrap();
        parts += 1;
        assert!(part.signals.len() <= ended.limit as usize);
        names.extend(part.signals.iter().map(|it| it.content.external_id.to_string()));
        after = part.next;
        if after.is_none() {
            return (parts, names);
        }
    }
}

fn since(seconds: i64, late: bool) -> EndedQuery {
    EndedQuery { since: at(seconds), late, limit: 10, after: None }
}

/// Six signals, a second apart, of which the first five end at 50, 40, 41, 41 and 30.
async fn six(bed: &Bed) -> Vec<NewSignal> {
    let argo = bed.producer().await;
    let news: Vec<_> = (0..6).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    bed.store(news.clone()).await;
    for (new, seconds) in news.iter().zip([50, 40, 41, 41, 30]) {
        bed.signals.record_outcome(outcome(new, "110", seconds)).await.unwrap();
    }
    news
}

async fn what_ended_since_an_instant_is_told_in_bounded_parts(bed: Bed) {
    six(&bed).await;
    let all = SignalQuery::all(Timestamp::MAX);
    let newest_first = ["SIG-0", "SIG-3", "SIG-2", "SIG-1"];
    for (limit, parts) in [(1, 5), (2, 3), (3, 2), (10, 1)] {
        let query = EndedQuery { limit, ..since(30, false) };
        let expected = (parts, newest_first.map(ToOwned::to_owned).to_vec());
        assert_eq!(ended(&bed, &all, query).await, expected, "by {limit}");
    }
    // What was accepted later is not older; what is looked at is bounded all the same.
    let (parts, names) = ended(&bed, &all, EndedQuery { limit: 2, ..since(1, false) }).await;
    assert_eq!(names, ["SIG-0", "SIG-1"]);
    assert_eq!(parts, 3);
    let none = ended(&bed, &all, since(50, false)).await.1;
    assert!(none.is_empty(), "{none:?}");
    let live = SignalQuery { record: Record::Simulated, ..all.clone() };
    assert!(ended(&bed, &live, since(30, false)).await.1.is_empty());
    let below = SignalQuery { below: Some(1.0), ..all };
    assert!(ended(&bed, &below, since(30, false)).await.1.is_empty());
}

async fn a_late_outcome_counts_of_what_had_expired_before(bed: Bed) {
    let argo = bed.producer().await;
    let news: Vec<_> = (0..3).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    bed.store(news.clone()).await;
    bed.signals.expire(at(100), Duration::from_secs(10), &[], 100).await.unwrap();
    for (new, seconds) in news.iter().zip([60, 70]) {
        let mut late = outcome(new, "110", seconds);
        late.recorded_at = at(seconds + 100);
        bed.signals.record_outcome(late).await.unwrap();
    }
    let all = SignalQuery::all(Timestamp::MAX);
    assert_eq!(ended(&bed, &all, since(100, true)).await.1, ["SIG-1", "SIG-0"]);
    assert_eq!(ended(&bed, &all, since(160, true)).await.1, ["SIG-1"]);
    assert_eq!(ended(&bed, &all, EndedQuery { limit: 1, ..since(100, true) }).await.1.len(), 2);
    // It expired after that instant, and is told of as such.
    assert!(ended(&bed, &all, since(99, true)).await.1.is_empty());
    assert_eq!(ended(&bed, &all, since(99, false)).await.1.len(), 3);
}

async fn what_ended_is_told_as_it_was_known(bed: Bed) {
    six(&bed).await;
    let known = async |seconds| {
        let query = SignalQuery { is_late: true, ..SignalQuery::all(at(seconds)) };
        let found = bed.signals.ended(&query, since(10, false)).await.unwrap();
        let has_ended = |signal: &Signal| signal.outcome.is_some();
        assert!(found.signals.iter().all(has_ended));
        found.signals.len()
    };
    for (seconds, expected) in [(9, 0), (29, 0), (30, 1), (40, 2), (41, 4), (49, 4), (50, 5)] {
        assert_eq!(known(seconds).await, expected, "{seconds}");
    }
}
