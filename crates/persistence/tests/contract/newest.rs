//! Lists by what is rare are the newest all the same.

use alpine_domain::{
    page::{Cursor, Slice},
    signal::{Signal, SignalId, SignalQuery, SignalState, SignalStatus},
};

use crate::support::{Bed, at, on_every, outcome, signal};

on_every!(what_ended_in_one_way_is_listed_newest_first, the_strongest_are_listed_newest_first);

fn ids(signals: &[Signal]) -> Vec<SignalId> {
    signals.iter().map(|signal| signal.id).collect()
}

/// What ended in one way is listed by when it was received, although it is read by its number.
async fn what_ended_in_one_way_is_listed_newest_first(bed: Bed) {
    let argo = bed.producer().await;
    // Received in disorder by minutes: as if others had been stored at the same moment.
    let received = |n: i64| 10 * n + [0, 200, 90][usize::try_from(n % 3).unwrap()];
    let news: Vec<_> = (0..600)
        .map(|n| {
            let mut news = signal(&argo, &format!("SIG-{n}"), received(n));
            news.symbol = ["AAPL", "MSFT"][usize::from(n % 50 == 7)].parse().unwrap();
            news
        })
        .collect();
    let stored = bed.store(news.clone()).await;
    for news in news.iter().step_by(2) {
        bed.signals.record_outcome(outcome(news, "110", 9_000)).await.unwrap();
    }
    let mut order: Vec<_> = (0..600).step_by(2).map(|n| (received(n), n)).collect();
    order.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
    let target =
        |query| SignalQuery { state: SignalState::Status(SignalStatus::TargetHit), ..query };
    let all = || target(SignalQuery::all(at(10_000)));
    let id = |(_, n): &(i64, i64)| stored[usize::try_from(*n).unwrap()];
    for (limit, offset) in [(1, 0), (20, 0), (20, 37), (500, 0), (7, 299), (7, 300)] {
        let slice = Slice { limit, offset, after: None };
        let listed = bed.signals.list(&all(), slice).await.unwrap();
        let part = order.iter().skip(offset as usize).take(limit as usize);
        assert_eq!(ids(&listed), part.map(id).collect::<Vec<_>>(), "{slice:?}");
    }
    let after = order[40];
    let after = Some(Cursor { created_at: at(after.0), id: id(&after) });
    let listed = bed.signals.list(&all(), Slice { limit: 5, offset: 0, after }).await.unwrap();
    assert_eq!(ids(&listed), order[41..46].iter().map(id).collect::<Vec<_>>());
    let since = SignalQuery { since: Some(at(4_000)), ..all() };
    let some: Vec<_> = order.iter().filter(|(at, _)| *at >= 4_000).map(id).collect();
    assert_eq!(ids(&bed.signals.list(&since, Slice::first(500)).await.unwrap()), some);
    let rare = SignalQuery { symbol: Some("MSFT".parse().unwrap()), ..all() };
    assert!(bed.signals.list(&rare, Slice::first(5)).await.unwrap().is_empty());
    let common = SignalQuery { symbol: Some("AAPL".parse().unwrap()), ..all() };
    let listed = bed.signals.list(&common, Slice::first(5)).await.unwrap();
    assert_eq!(ids(&listed), order[..5].iter().map(id).collect::<Vec<_>>());
    let unknown = SignalQuery { as_of: at(8_999), ..all() };
    assert!(bed.signals.list(&unknown, Slice::first(5)).await.unwrap().is_empty());
}

/// Open signals of high confidence are listed newest first, few of them or many.
async fn the_strongest_are_listed_newest_first(bed: Bed) {
    let argo = bed.producer().await;
    let news = (0..1_100).map(|n| {
        let mut news = signal(&argo, &format!("SIG-{n}"), n);
        news.confidence = if n % 100 == 3 { "99.5" } else { "90" }.parse().unwrap();
        news
    });
    let stored = bed.store(news.collect()).await;
    let open = SignalQuery {
        state: SignalState::Open,
        without_history: true,
        ..SignalQuery::all(at(2_000))
    };
    let of = |confidence| SignalQuery { min_confidence: Some(confidence), ..open.clone() };
    let newest = bed.signals.list(&of(99.0), Slice::first(3)).await.unwrap();
    assert_eq!(ids(&newest), [1_003, 903, 803].map(|n| stored[n]));
    assert_eq!(bed.signals.count(&of(99.0), 100).await.unwrap(), 11);
    let newest = bed.signals.list(&of(85.0), Slice::first(2)).await.unwrap();
    assert_eq!(ids(&newest), [stored[1_099], stored[1_098]]);
    assert_eq!(bed.signals.count(&of(85.0), 10_000).await.unwrap(), 1_100);
    assert_eq!(bed.signals.count(&of(85.0), 1_050).await.unwrap(), 1_050);
}
