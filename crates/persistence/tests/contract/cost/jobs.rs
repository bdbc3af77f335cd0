//! Claiming costs the same beside any number of jobs that are not due, are held, or have failed.

use alpine_domain::{
    jobs::{Claim, Job, JobStore as _, Lane, Lease, NewJob},
    ports::secrets::Randomness,
};
use alpine_persistence::Jobs;

use super::{one_connection, rows_read};
use crate::support::{DatabaseBed, at};

struct Zeros;

impl Randomness for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_reads_neither_failed_nor_held_nor_future_jobs() {
    const OTHERS: u32 = 10_000;
    let Some(bed) = DatabaseBed::postgres() else { return };
    let (past, future) = (at(0).micros(), at(1_000).micros());
    bed.execute(&format!(
        "INSERT INTO jobs (kind, payload, created_at, due_at, lease, failed_at) \
         SELECT 'check', '{{\"kind\":\"check\"}}', {past}, \
             CASE n % 3 WHEN 0 THEN {past} ELSE {future} END, CASE n % 3 WHEN 1 THEN 'x' END, \
             CASE n % 3 WHEN 0 THEN {past} + n END \
         FROM generate_series(1, {OTHERS}) n; \
         SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
    // Statistics of a table that was empty when they were made, as it is most of the time.
    for sql in
        ["ANALYZE jobs", "UPDATE pg_class SET reltuples = 0, relpages = 0 WHERE relname = 'jobs'"]
    {
        let database = one_connection(&bed);
        bed.execute(sql).await.unwrap();
        let jobs = Jobs::new(database.clone());
        for _ in 0..3 {
            bed.jobs.add(NewJob::new(Job::Check, at(1))).await.unwrap();
        }
        let before = rows_read(&database, "jobs").await;
        let claim = Claim {
            lane: Lane::Other,
            now: at(2),
            until: at(999),
            lease: Lease::generate(&Zeros),
            limit: 10,
        };
        let held = jobs.claim(claim).await.unwrap();
        assert_eq!(held.len(), 3);
        assert!(jobs.finish(&held[0]).await.unwrap());
        assert_eq!(jobs.claim(claim).await.unwrap(), []);
        let read = rows_read(&database, "jobs").await - before;
        assert!((3..=30).contains(&read), "{read} of {OTHERS} after {sql}");
    }
}
