//! Accepting signals.

use std::time::{Duration, Instant};

use alpine_domain::{
    page::Slice,
    signal::{
        Accepted, NewSignal, SignalQuery, SignalReader as _, SignalStore as _, VerificationHash,
    },
};

use crate::support::{Bed, DatabaseBed, at, on_every, signal};

/// On a connection that is not Alpine's, with SQLite's own settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace_changes_nothing_on_foreign_connections_either() {
    use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    let id = bed.store(vec![new.clone()]).await[0];
    bed.signals.record_outcome(crate::support::outcome(&new, "110", 5)).await.unwrap();
    let before = bed.signals.find(id).await.unwrap().unwrap();
    let expired = signal(&argo, "SIG-2", 0);
    let late = bed.store(vec![expired.clone()]).await[0];
    bed.signals.expire(at(5), Duration::from_secs(1), &[], 9).await.unwrap();
    bed.signals.record_outcome(crate::support::outcome(&expired, "110", 6)).await.unwrap();
    let with_late = bed.signals.find(late).await.unwrap().unwrap();
    assert!(with_late.late_outcome.is_some());
    let file = bed.settings.url.strip_prefix("sqlite:").unwrap();
    let mut foreign = SqliteConnection::establish(file).unwrap();
    let columns = "external_id, producer_id, symbol, action, entry_price, confidence, confidence_text, \
                   asset_type, signal_timestamp, signalled_at, hash, content_hash, is_simulated, created_at";
    let others = "external_id, producer_id, 'MSFT', action, '1', confidence, confidence_text, \
                  asset_type, signal_timestamp, signalled_at, hash, content_hash, is_simulated, created_at";
    let outcome = "status, exit_price, pnl_steps, closed_at, recorded_at";
    for (sql, is_refused) in [
        ("REPLACE INTO signals SELECT * FROM signals".to_owned(), true),
        (format!("REPLACE INTO signals (id, {columns}) SELECT id, {others} FROM signals"), true),
        (format!("REPLACE INTO signals ({columns}) SELECT {others} FROM signals"), false),
        ("REPLACE INTO outcomes SELECT * FROM outcomes".to_owned(), true),
        (
            format!(
                "REPLACE INTO outcomes (signal_id, {outcome}) \
                 SELECT signal_id, 'stop_hit', '1', -1, closed_at, recorded_at FROM outcomes"
            ),
            false,
        ),
        ("REPLACE INTO late_outcomes SELECT * FROM late_outcomes".to_owned(), false),
        (
            "REPLACE INTO late_outcomes (rowid, status, exit_price, pnl_steps, exit_timestamp, \
             closed_at, recorded_at) \
             SELECT signal_id, 'stop_hit', '1', -1, '', closed_at, recorded_at FROM late_outcomes"
                .to_owned(),
            false,
        ),
        ("UPDATE OR REPLACE late_outcomes SET exit_price = '1'".to_owned(), true),
        ("UPDATE OR REPLACE signals SET entry_price = '1'".to_owned(), true),
        ("REPLACE INTO signal_id_key VALUES ('00')".to_owned(), true),
    ] {
        match foreign.batch_execute(&sql) {
            Ok(()) => assert!(!is_refused, "{sql}"),
            Err(error) => {
                assert!(is_refused && error.to_string().contains("immutable"), "{sql}: {error}");
            }
        }
        assert_eq!(bed.signals.find(id).await.unwrap().as_ref(), Some(&before), "{sql}");
        assert_eq!(bed.signals.find(late).await.unwrap().as_ref(), Some(&with_late), "{sql}");
    }
    assert_eq!(bed.signals.count(&SignalQuery::all(at(9)), 10).await.unwrap(), 2);
}

on_every!(
    a_signal_comes_back_to_the_letter,
    duplicates_and_conflicts_are_told_apart,
    the_same_id_twice_in_one_call_is_judged_like_two_calls,
    a_repeat_is_known_by_what_it_says_whatever_hash_an_older_release_stored,
    ids_are_unique_for_each_producer,
    nothing_new_sorts_below_what_is_known,
    concurrent_batches_store_each_signal_once;
    databases:
    nothing_new_sorts_below_what_is_known_beside_one_that_is_refused,
    a_signal_that_the_database_refuses_leaves_the_others_alone,
    ten_thousand_signals_take_seconds_not_minutes,
    what_was_published_never_changes,
    numbers_of_signals_tell_nothing_of_others,
);

/// Whatever the clock of the instance that takes it in says.
async fn nothing_new_sorts_below_what_is_known(bed: Bed) {
    let argo = bed.producer().await;
    let mut ids = Vec::new();
    for (name, seconds) in [("SIG-1", 500), ("SIG-2", 200), ("SIG-3", 600), ("SIG-4", 599)] {
        ids.extend(bed.store(vec![signal(&argo, name, seconds)]).await);
    }
    ids.extend(bed.store(vec![signal(&argo, "SIG-5", 0)]).await);
    let slice = Slice::first(10);
    let mut listed = bed.signals.list(&SignalQuery::all(at(9_999)), slice).await.unwrap();
    listed.reverse();
    let order: Vec<_> = listed.iter().map(|signal| signal.id).collect();
    assert_eq!(order, ids);
    let instants: Vec<_> = listed.iter().map(|signal| signal.content.created_at).collect();
    assert_eq!(instants, [at(500), at(500), at(600), at(600), at(600)]);
    let logged = bed.events.read_after(0, 10).await.unwrap();
    let logged: Vec<_> = logged.iter().map(|row| row.recorded_at).collect();
    assert!(logged.ends_with(&instants), "{logged:?}");
}

/// The same where each signal is stored alone, with its savepoint.
async fn nothing_new_sorts_below_what_is_known_beside_one_that_is_refused(bed: DatabaseBed) {
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "SIG-1", 500)]).await;
    bed.refuse_signals_named("refused").await;
    let batch = vec![signal(&argo, "SIG-2", 0), signal(&argo, "refused", 0)];
    let Accepted::Stored(id) = bed.signals.accept(batch).await.unwrap()[0] else { panic!() };
    let stored = bed.signals.find(id).await.unwrap().unwrap();
    assert_eq!(stored.content.created_at, at(500));
}

async fn a_signal_comes_back_to_the_letter(bed: Bed) {
    let argo = bed.producer().await;
    let mut new = signal(&argo, "SIG-1", 0);
    new.reasoning = Some("naïve \u{1F680}\n'\"; DROP TABLE signals;--".to_owned());
    new.entry_price = "2.2250738585072014e-308".parse().unwrap();
    new.confidence = "1e-05".parse().unwrap();
    let id = bed.store(vec![new.clone()]).await[0];
    let found = bed.signals.find(id).await.unwrap().unwrap();
    assert_eq!((found.content, found.outcome), (new.clone(), None));
    let found = bed.signals.find_external(argo.id, &new.external_id).await.unwrap();
    assert_eq!(found.unwrap().id, id);
    let mut bare = signal(&argo, "SIG-2", 0);
    bare.target_price = None;
    bare.strategy = None;
    bare.reasoning = None;
    bare.consensus_agreement = None;
    bare.sources_count = None;
    let id = bed.store(vec![bare.clone()]).await[0];
    assert_eq!(bed.signals.find(id).await.unwrap().unwrap().content, bare);
    let unknown = alpine_domain::signal::SignalId::new(id.get() + 1_000);
    assert_eq!(bed.signals.find(unknown).await.unwrap(), None);
}

async fn duplicates_and_conflicts_are_told_apart(bed: Bed) {
    let argo = bed.producer().await;
    let first = signal(&argo, "SIG-1", 0);
    let id = bed.store(vec![first.clone()]).await[0];
    let mut later = first.clone();
    later.created_at = at(50);
    let mut other = first.clone();
    other.content_hash = VerificationHash::of("something else");
    let new = signal(&argo, "SIG-2", 50);
    let offered = vec![later, new, other];
    let answers = bed.signals.accept(offered).await.unwrap();
    assert!(
        matches!(
            answers[..],
            [Accepted::Duplicate(a), Accepted::Stored(_), Accepted::Conflict(b)] if a == id && b == id
        ),
        "{answers:?}"
    );
    // Nothing was changed, and only what is new is told.
    assert_eq!(bed.signals.find(id).await.unwrap().unwrap().content, first);
    let published = bed.kinds().await;
    assert_eq!(published.iter().filter(|kind| *kind == "signal_published").count(), 2);
    assert!(bed.signals.accept(Vec::new()).await.unwrap().is_empty());
}

async fn the_same_id_twice_in_one_call_is_judged_like_two_calls(bed: Bed) {
    let argo = bed.producer().await;
    let first = signal(&argo, "SIG-1", 0);
    let mut other = first.clone();
    other.content_hash = VerificationHash::of("something else");
    let answers = bed.signals.accept(vec![first.clone(), other, first]).await.unwrap();
    let [Accepted::Stored(id), Accepted::Conflict(second), Accepted::Duplicate(third)] =
        answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!((id, id), (second, third));
}

async fn a_repeat_is_known_by_what_it_says_whatever_hash_an_older_release_stored(bed: Bed) {
    let argo = bed.producer().await;
    let mut old = signal(&argo, "SIG-1", 0);
    old.content_hash = VerificationHash::of("the text of an older release");
    let id = bed.store(vec![old.clone()]).await[0];
    let mut repeat = signal(&argo, "SIG-1", 50);
    repeat.content_hash = repeat.computed_content_hash();
    let mut other = NewSignal { reasoning: None, ..repeat.clone() };
    other.content_hash = other.computed_content_hash();
    let answers = bed.signals.accept(vec![repeat, other, old]).await.unwrap();
    let expected = [Accepted::Duplicate(id), Accepted::Conflict(id), Accepted::Duplicate(id)];
    assert_eq!(answers, expected);
}

async fn a_signal_that_the_database_refuses_leaves_the_others_alone(bed: DatabaseBed) {
    let argo = bed.producer().await;
    bed.refuse_signals_named("BAD").await;
    let named = |id: &str| signal(&argo, id, 0);
    let first = bed.store(vec![named("SIG-1")]).await[0];
    let offered = vec![named("SIG-0"), named("BAD"), named("SIG-1"), named("BAD"), named("SIG-2")];
    let answers = bed.signals.accept(offered).await.unwrap();
    let [Accepted::Stored(a), Accepted::Refused, known, Accepted::Refused, Accepted::Stored(b)] =
        answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(known, Accepted::Duplicate(first));
    for (id, name) in [(a, "SIG-0"), (b, "SIG-2")] {
        assert_eq!(bed.signals.find(id).await.unwrap().unwrap().content, named(name));
    }
    assert_eq!(
        bed.kinds().await.iter().filter(|kind| *kind == "signal_published").count(),
        3,
        "one event for each stored signal"
    );
}

async fn ids_are_unique_for_each_producer(bed: Bed) {
    let argo = bed.producer().await;
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "z", true, at(0)).await.unwrap();
    let mut theirs = signal(&zeus, "SIG-1", 0);
    theirs.content_hash = VerificationHash::of("something else");
    let ids = bed.store(vec![signal(&argo, "SIG-1", 0), theirs]).await;
    assert_ne!(ids[0], ids[1]);
    assert!(bed.signals.find(ids[1]).await.unwrap().unwrap().content.is_simulated);
}

async fn concurrent_batches_store_each_signal_once(bed: Bed) {
    let argo = bed.producer().await;
    let mut batch: Vec<_> = (0..300).map(|n| signal(&argo, &format!("SIG-{n}"), 0)).collect();
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (signals, offered) = (bed.signals.clone(), batch.clone());
        callers.push(tokio::spawn(async move { signals.accept(offered).await.unwrap() }));
        // Another order each time: a deadlock is resolved, not reported.
        batch.reverse();
    }
    let mut stored = 0;
    for caller in callers {
        let answers = caller.await.unwrap();
        stored += answers.iter().filter(|a| matches!(a, Accepted::Stored(_))).count();
        assert!(answers.iter().all(|a| !matches!(a, Accepted::Conflict(_))));
    }
    assert_eq!(stored, 300);
    let count = bed.signals.count(&SignalQuery::all(at(9)), 10_000).await.unwrap();
    assert_eq!(count, 300);
}

async fn ten_thousand_signals_take_seconds_not_minutes(bed: DatabaseBed) {
    let argo = bed.producer().await;
    let batch: Vec<_> = (0..10_000).map(|n| signal(&argo, &format!("SIG-{n}"), 0)).collect();
    let started = Instant::now();
    let ids = bed.store(batch.clone()).await;
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let again = bed.signals.accept(batch).await.unwrap();
    assert!(again.iter().zip(&ids).all(|(answer, id)| *answer == Accepted::Duplicate(*id)));
    assert_eq!(bed.kinds().await.len(), 10_001);
    let page = bed.signals.list(&SignalQuery::all(at(9)), Slice::first(1)).await.unwrap();
    assert_eq!(page[0].id, ids[9_999]);
}

async fn what_was_published_never_changes(bed: DatabaseBed) {
    let argo = bed.producer().await;
    let new = signal(&argo, "SIG-1", 0);
    bed.store(vec![new.clone(), signal(&argo, "SIG-2", 0)]).await;
    bed.signals.record_outcome(crate::support::outcome(&new, "110", 5)).await.unwrap();
    let mut attempts = vec![
        "UPDATE signals SET entry_price = '1'",
        "UPDATE signals SET is_active = true",
        "UPDATE signals SET is_active = false, symbol = 'MSFT' WHERE is_active",
        "UPDATE signals SET target_price = NULL, is_active = false WHERE is_active",
        "DELETE FROM signals",
        "UPDATE outcomes SET exit_price = '1'",
        "DELETE FROM outcomes",
    ];
    if bed.is_postgres() {
        attempts.extend(["TRUNCATE outcomes CASCADE", "TRUNCATE signals CASCADE"]);
    } else {
        attempts.push("INSERT OR REPLACE INTO outcomes SELECT * FROM outcomes");
        attempts.push("INSERT OR REPLACE INTO signals SELECT * FROM signals");
    }
    for attempt in attempts {
        let error = bed.execute(attempt).await.expect_err(attempt);
        assert!(error.contains("immutable"), "{attempt}: {error}");
    }
    bed.execute("UPDATE signals SET is_active = false WHERE is_active").await.unwrap();
}

/// Wherever a signal's number comes out or goes in it is the same, on every instance; it is neither
/// the row's nor near the number of the signal before.
async fn numbers_of_signals_tell_nothing_of_others(bed: DatabaseBed) {
    use alpine_domain::page::Cursor;
    let argo = bed.producer().await;
    let news: Vec<_> = (0..20).map(|n| signal(&argo, &format!("SIG-{n}"), 0)).collect();
    let ids = bed.store(news.clone()).await;
    assert!(ids.iter().all(|id| (0..1 << 52).contains(&id.get())), "{ids:?}");
    // Twenty of 2^52 numbers drawn at random: one below 2^32 comes once in 50,000 runs.
    assert!(ids.iter().all(|id| id.get() > 1 << 32), "{ids:?}");
    let near =
        |pair: &[alpine_domain::signal::SignalId]| pair[0].get().abs_diff(pair[1].get()) < 1 << 32;
    assert!(!ids.windows(2).any(near), "{ids:?}");

    let other = alpine_persistence::Signals::new(bed.another(|_| ()));
    let (first, third) = (news[0].clone(), ids[3]);
    assert_eq!(other.accept(vec![first.clone()]).await.unwrap(), [Accepted::Duplicate(ids[0])]);
    let found = other.find(third).await.unwrap().unwrap();
    assert_eq!((found.id, found.content.external_id.as_str()), (third, "SIG-3"));
    let found = other.find_external(argo.id, &news[3].external_id).await.unwrap().unwrap();
    assert_eq!(found.id, third);
    let after = Some(Cursor { created_at: at(0), id: third });
    let query = SignalQuery::all(at(9));
    let page = other.list(&query, Slice { limit: 9, offset: 0, after }).await.unwrap();
    let listed: Vec<_> = page.iter().map(|signal| signal.id).collect();
    assert_eq!(listed, [ids[2], ids[1], ids[0]]);
    other.record_outcome(crate::support::outcome(&first, "110", 5)).await.unwrap();
    let logged = bed.events.read_after(0, 100).await.unwrap();
    let told = |kind: &str, id: alpine_domain::signal::SignalId| {
        logged.iter().any(|row| row.kind == kind && row.payload.contains(&id.to_string()))
    };
    assert!(ids.iter().all(|id| told("signal_published", *id)), "{logged:?}");
    assert!(told("signal_closed", ids[0]), "{logged:?}");
    // The rows' own numbers, and numbers that cannot be, lead nowhere.
    for number in [1, 2, 20, 1 << 52, i64::MAX, -1] {
        let id = alpine_domain::signal::SignalId::new(number);
        assert_eq!(other.find(id).await.unwrap(), None, "{number}");
    }
}
