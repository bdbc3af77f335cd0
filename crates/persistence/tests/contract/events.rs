//! The event log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{event::Event, ports::events::EventLog as _, signal::SignalId};

use diesel::connection::SimpleConnection as _;

use crate::support::{Bed, at, dawdle, on_both};

on_both!(
    rows_are_appended_with_their_change_or_not_at_all,
    a_follower_sees_every_row_once_and_in_order,
    pruning_takes_the_old_end_and_head_never_goes_back,
    the_newest_row_of_each_kind_is_found,
);

async fn log(bed: &Bed, number: i64, seconds: i64) {
    let event = Event::SignalClosed { signal: SignalId::new(number) };
    bed.database
        .write("test", move |unit| {
            unit.log(at(seconds), event.clone());
            Ok(())
        })
        .await
        .unwrap();
}

async fn rows_are_appended_with_their_change_or_not_at_all(bed: Bed) {
    assert_eq!(bed.events.head().await.unwrap(), 0);
    log(&bed, 1, 0).await;
    let failed = bed
        .database
        .write("test", |unit| {
            unit.log(at(0), Event::ProducersChanged);
            Err::<(), _>(alpine_domain::Error::NotFound("anything").into())
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(bed.kinds().await, ["signal_closed"]);
    let head = bed.events.head().await.unwrap();
    assert!(bed.events.read_after(head, 10).await.unwrap().is_empty());
}

async fn a_follower_sees_every_row_once_and_in_order(bed: Bed) {
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
    // one writer, so there it merely comes first.
    let slow = {
        let database = bed.database.clone();
        let span = Duration::from_millis(if bed.is_postgres() { 1_500 } else { 50 });
        tokio::spawn(async move {
            database
                .write("test", move |unit| {
                    let signal = SignalId::new(-1);
                    unit.log(at(0), Event::SignalClosed { signal });
                    unit.conn.batch_execute("UPDATE users SET generation = 1")?;
                    dawdle(span);
                    Ok(())
                })
                .await
                .unwrap();
        })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    let started = Instant::now();
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
        writer.await.unwrap();
    }
    if bed.is_postgres() && started.elapsed() < Duration::from_millis(1_200) {
        let count = bed.events.read_after(0, 1_000).await.unwrap().len();
        assert_eq!(count, 200, "the slow transaction hid newer rows");
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
        assert_eq!(slowest, Some(Event::SignalClosed { signal }));
    }
    assert_eq!(bed.events.head().await.unwrap(), seen[200].seq);
}

async fn pruning_takes_the_old_end_and_head_never_goes_back(bed: Bed) {
    for n in 0..10 {
        log(&bed, n, n * 10).await;
    }
    let head = bed.events.head().await.unwrap();
    assert_eq!(bed.events.prune(at(45)).await.unwrap(), 5);
    assert_eq!(bed.kinds().await.len(), 5);
    assert_eq!(bed.events.prune(at(45)).await.unwrap(), 0);
    assert_eq!(bed.events.prune(at(1_000)).await.unwrap(), 4, "the newest row stays");
    assert_eq!(bed.events.head().await.unwrap(), head);
    log(&bed, 11, 110).await;
    assert!(bed.events.head().await.unwrap() > head);
}

async fn the_newest_row_of_each_kind_is_found(bed: Bed) {
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
