//! The event log.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    event::{CommitHandler, CommittedEvent, Event},
    signal::SignalId,
};

use alpine_testing::Wait;
use diesel::connection::SimpleConnection as _;

use crate::support::{Bed, DatabaseBed, at, dawdle, on_every, outcome, signal};

on_every!(
    the_log_of_real_changes_is_read_and_pruned_like_any_other,
    a_repetition_is_told_here_and_adds_nothing_to_the_log;
    databases:
    rows_are_appended_with_their_change_or_not_at_all,
    a_follower_sees_every_row_once_and_in_order,
    pruning_takes_the_old_end_and_head_never_goes_back,
    the_newest_row_of_each_kind_is_found,
    the_handler_is_told_what_was_committed_with_its_numbers,
    the_handler_is_told_also_when_the_writer_has_gone_away,
);

async fn log(bed: &DatabaseBed, number: i64, seconds: i64) {
    let event = Event::SignalClosed { signal: SignalId::new(number), confidence: None };
    bed.database
        .write("test", move |unit| {
            unit.log(at(seconds), event.clone());
            Ok(())
        })
        .await
        .unwrap();
}

async fn rows_are_appended_with_their_change_or_not_at_all(bed: DatabaseBed) {
    assert_eq!(bed.events.head().await.unwrap(), 0);
    log(&bed, 1, 0).await;
    let failed = bed
        .database
        .write("test", |unit| {
            unit.log(at(0), Event::ProducersChanged);
            Err::<(), _>(alpine_domain::Error::NotFound("anything").into())
        })
        .await;
    assert!(matches!(failed, Err(alpine_domain::Error::NotFound("anything"))), "{failed:?}");
    assert_eq!(bed.kinds().await, ["signal_closed"]);
    let head = bed.events.head().await.unwrap();
    assert!(bed.events.read_after(head, 10).await.unwrap().is_empty());
}

async fn a_follower_sees_every_row_once_and_in_order(bed: DatabaseBed) {
    const WRITERS: i64 = 8;
    const EACH: i64 = 25;
    let is_done = Arc::new(AtomicBool::new(false));
    let follower = {
        let (events, is_done) = (bed.events.clone(), Arc::clone(&is_done));
        tokio::spawn(async move {
            let (mut seen, mut position) = (Vec::new(), 0);
            loop {
                let is_last = is_done.load(Ordering::SeqCst);
                let rows = events.read_after(position, 7).await.unwrap();
                let is_empty = rows.is_empty();
                for row in rows {
                    assert!(row.seq > position);
                    position = row.seq;
                    seen.push(row);
                }
                if is_last && is_empty {
                    return seen;
                }
            }
        })
    };
    // Begun first, committed last, with a change of its own: it must hide nothing newer. SQLite has
    // one writer, so there it ends before the others begin.
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (end, may_end) = std::sync::mpsc::channel();
    let (begun, may_end) = (Mutex::new(Some(begun)), Mutex::new(may_end));
    let slow = {
        let database = bed.database.clone();
        tokio::spawn(async move {
            database
                .write("test", move |unit| {
                    let signal = SignalId::new(-1);
                    unit.log(at(0), Event::SignalClosed { signal, confidence: None });
                    unit.conn.batch_execute("UPDATE users SET generation = 1")?;
                    begun.lock().unwrap().take().unwrap().send(()).unwrap();
                    may_end.lock().unwrap().recv().unwrap();
                    Ok(())
                })
                .await
                .unwrap();
        })
    };
    has_begun.await.unwrap();
    let overlaps = bed.is_postgres();
    if !overlaps {
        end.send(()).unwrap();
    }
    let bed = Arc::new(bed);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move {
                for n in 0..EACH {
                    log(&bed, writer * EACH + n, 0).await;
                }
            })
        })
        .collect();
    for writer in writers {
        let ended = tokio::time::timeout(Duration::from_secs(30), writer).await;
        ended.expect("the slow transaction holds nobody up").unwrap();
    }
    let count = bed.events.read_after(0, 1_000).await.unwrap().len();
    assert_eq!(count, if overlaps { 200 } else { 201 }, "the slow transaction hides nothing newer");
    if overlaps {
        end.send(()).unwrap();
    }
    slow.await.unwrap();
    is_done.store(true, Ordering::SeqCst);
    let seen = follower.await.unwrap();
    let stored = bed.events.read_after(0, 1_000).await.unwrap();
    assert!(seen == stored, "{} rows seen, {} stored", seen.len(), stored.len());
    assert_eq!(seen.len(), 201);
    if bed.is_postgres() {
        let slowest = Event::from_payload(&seen[200].payload);
        let signal = SignalId::new(-1);
        assert_eq!(slowest, Some(Event::SignalClosed { signal, confidence: None }));
    }
    assert_eq!(bed.events.head().await.unwrap(), seen[200].seq);
}

/// Notes what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<CommittedEvent>>);

impl Notes {
    fn of(bed: &Bed) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        let handler: Weak<dyn CommitHandler> = Arc::<Self>::downgrade(&notes);
        bed.tell(handler);
        notes
    }

    fn take(&self) -> Vec<CommittedEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl CommitHandler for Notes {
    fn committed(&self, events: &[CommittedEvent]) {
        self.0.lock().unwrap().extend_from_slice(events);
    }
}

/// The rows of the log after `seq`, as a handler is told of them.
async fn logged(bed: &Bed, seq: i64) -> Vec<CommittedEvent> {
    let rows = bed.events.read_after(seq, 10_000).await.unwrap();
    let event = |payload: &str| Event::from_payload(payload).unwrap();
    rows.iter().map(|row| CommittedEvent { seq: row.seq, event: event(&row.payload) }).collect()
}

async fn the_handler_is_told_what_was_committed_with_its_numbers(bed: DatabaseBed) {
    log(&bed, 1, 0).await;
    let before = bed.events.head().await.unwrap();
    let notes = Notes::of(&bed);
    let refused = bed
        .database
        .write("test", |unit| {
            unit.log(at(0), Event::EverybodySignedOut);
            Err::<(), _>(alpine_domain::Error::NotFound("anything").into())
        })
        .await;
    assert!(matches!(refused, Err(alpine_domain::Error::NotFound("anything"))));
    bed.database.write("test", |_| Ok(())).await.unwrap();
    assert_eq!(notes.take(), [], "nothing was committed");

    // Different kinds in turn: a number that went to another event would show.
    bed.database
        .write("test", |unit| {
            for n in 0..1_000 {
                let signal = SignalId::new(n);
                unit.log(at(0), Event::SignalPublished { signal, confidence: None });
                unit.log(at(0), Event::SignalClosed { signal, confidence: None });
            }
            unit.log(at(0), Event::ProducersChanged);
            Ok(())
        })
        .await
        .unwrap();
    let told = notes.take();
    assert_eq!(told.len(), 2_001);
    assert!(told == logged(&bed, before).await, "other numbers than in the log");
}

async fn the_handler_is_told_also_when_the_writer_has_gone_away(bed: DatabaseBed) {
    let notes = Notes::of(&bed);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let database = bed.database.clone();
    let writer = tokio::spawn(async move {
        database
            .write("test", move |unit| {
                unit.log(at(0), Event::ApiKeysChanged);
                if let Some(begun) = begun.lock().unwrap().take() {
                    begun.send(()).unwrap();
                }
                dawdle(Duration::from_millis(100));
                Ok(())
            })
            .await
    });
    has_begun.await.unwrap();
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    let told = async || Some(notes.take()).filter(|told| !told.is_empty());
    let told =
        Wait::unpromised("it is told on the thread that commits, for which nobody waits here")
            .until_some("the handler is told", told)
            .await;
    assert_eq!(told, logged(&bed, 0).await);
    assert_eq!(told.len(), 1);
}

/// Another instance may have made the change, and this one not applied it yet.
async fn a_repetition_is_told_here_and_adds_nothing_to_the_log(bed: Bed) {
    let producer = bed.producer().await;
    let one = signal(&producer, "one", 0);
    let one_confidence = one.confidence.percent();
    let ids = bed.store(vec![one.clone()]).await;
    bed.signals.record_outcome(outcome(&one, "110", 10)).await.unwrap();
    let two = signal(&producer, "two", 0);
    let late = bed.store(vec![two.clone()]).await[0];
    bed.signals.expire(at(20), Duration::from_secs(1), &[], 9).await.unwrap();
    bed.signals.record_outcome(outcome(&two, "110", 30)).await.unwrap();
    let user = bed.user("ada@example.com").await;
    let session = bed.session(user.id, "refresh").await;
    bed.accounts.revoke_session(session, at(20), at(900)).await.unwrap();
    let log = logged(&bed, 0).await;

    let notes = Notes::of(&bed);
    bed.signals.accept(vec![one.clone()]).await.unwrap();
    bed.signals.record_outcome(outcome(&one, "110", 10)).await.unwrap();
    bed.signals.record_outcome(outcome(&two, "110", 30)).await.unwrap();
    bed.accounts.revoke_session(session, at(30), at(910)).await.unwrap();
    assert_eq!(logged(&bed, 0).await, log);
    let seq = log.last().unwrap().seq;
    let confidence = Some(one_confidence);
    let repeated = [
        Event::SignalPublished { signal: ids[0], confidence },
        Event::SignalClosed { signal: ids[0], confidence },
        Event::LateOutcomeRecorded { signal: late, confidence },
        Event::SessionRevoked { session, until: at(910) },
    ];
    assert_eq!(notes.take(), repeated.map(|event| CommittedEvent { seq, event }));

    // The same id that says something else is refused: no change is confirmed.
    let mut other = one;
    other.content_hash = alpine_domain::signal::VerificationHash::of("other");
    bed.signals.accept(vec![other.clone()]).await.unwrap();
    bed.signals.record_outcome(outcome(&other, "120", 10)).await.unwrap();
    assert_eq!(notes.take(), []);
}

async fn pruning_takes_the_old_end_and_head_never_goes_back(bed: DatabaseBed) {
    for n in 0..10 {
        log(&bed, n, n * 10).await;
    }
    let head = bed.events.head().await.unwrap();
    let (pruned, from) = bed.events.prune_chunk(at(45), 0).await.unwrap();
    assert_eq!(pruned, 5);
    assert_eq!(bed.kinds().await.len(), 5);
    assert_eq!(bed.events.prune_chunk(at(45), from).await.unwrap(), (0, from));
    let (pruned, _) = bed.events.prune_chunk(at(1_000), 0).await.unwrap();
    assert_eq!(pruned, 4, "the newest row stays");
    assert_eq!(bed.events.head().await.unwrap(), head);
    log(&bed, 11, 110).await;
    assert!(bed.events.head().await.unwrap() > head);
    // A clock was set back: what is young keeps what was told after it.
    for (n, seconds) in [(12, 300), (13, 200), (14, 310)] {
        log(&bed, n, seconds).await;
    }
    assert_eq!(bed.events.prune_chunk(at(250), 0).await.unwrap().0, 2);
    assert_eq!(bed.kinds().await.len(), 3);
}

/// The same, told by the stores' own changes.
async fn the_log_of_real_changes_is_read_and_pruned_like_any_other(bed: Bed) {
    assert_eq!(
        (bed.events.head().await.unwrap(), bed.events.prune_chunk(at(9), 0).await.unwrap().0),
        (0, 0)
    );
    let (argo, ada) = (bed.producer().await, bed.user("ada@example.com").await);
    for seconds in [10, 20, 30] {
        bed.accounts
            .revoke_all(ada.id, alpine_domain::account::SignOut::Sessions, at(seconds))
            .await
            .unwrap();
    }
    bed.producers.disable(argo.id, at(25)).await.unwrap();
    let rows = bed.events.read_after(0, 10).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.kind.as_str(), row.recorded_at)).collect();
    let (account, producers) = ("account_changed", "producers_changed");
    let expected = [
        (producers, at(0)),
        (account, at(10)),
        (account, at(20)),
        (account, at(30)),
        (producers, at(25)),
    ];
    assert_eq!(told, expected);
    assert_eq!(bed.events.head().await.unwrap(), rows[4].seq);
    assert_eq!(bed.events.read_after(rows[1].seq, 2).await.unwrap(), rows[2..4]);
    let mut newest = bed.events.newest_of_each_kind().await.unwrap();
    newest.sort_by_key(|row| row.seq);
    assert_eq!(newest, rows[3..]);
    // The last one is older than the one before it, which bounds what goes.
    assert_eq!(bed.events.prune_chunk(at(20), 0).await.unwrap().0, 2);
    assert_eq!(bed.events.read_after(0, 10).await.unwrap(), rows[2..]);
    assert_eq!(bed.events.prune_chunk(at(30), 0).await.unwrap().0, 1);
    assert_eq!(bed.events.prune_chunk(at(99), 0).await.unwrap().0, 1, "the newest row stays");
    assert_eq!(bed.events.read_after(0, 10).await.unwrap(), rows[4..]);
}

async fn the_newest_row_of_each_kind_is_found(bed: DatabaseBed) {
    assert!(bed.events.newest_of_each_kind().await.unwrap().is_empty());
    log(&bed, 1, 0).await;
    bed.database
        .write("test", |unit| {
            unit.log(at(1), Event::ProducersChanged);
            Ok(())
        })
        .await
        .unwrap();
    log(&bed, 2, 2).await;
    let mut newest = bed.events.newest_of_each_kind().await.unwrap();
    newest.sort_by_key(|row| row.seq);
    assert_eq!(newest, bed.events.read_after(1, 10).await.unwrap());
    assert_eq!(newest.len(), 2);
}
