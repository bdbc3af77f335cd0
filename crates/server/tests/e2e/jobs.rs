//! What has to be done after a commit is done once, by any instance, and operators see what is not.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use alpine_domain::jobs::{Job, JobCounts, NewJob};
use alpine_persistence::Unit;
use alpine_testing::Wait;
use diesel::connection::SimpleConnection as _;

use crate::{alpine::Alpine, support::TestApp};

const NONE: JobCounts = JobCounts { pending: 0, failed: 0 };

/// Jobs that this instance did.
async fn done(app: &TestApp) -> u64 {
    let text = app.client().get("/metrics").await.text;
    let line = "jobs_done_total{kind=\"check\",outcome=\"done\"} ";
    text.lines().find_map(|text| text.strip_prefix(line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_commits_it_does_at_once() {
    Alpine::on_every_back_end(async |alpine| {
        let jobs = &alpine.app.core.stores.jobs;
        let added = Instant::now();
        for _ in 0..20 {
            jobs.add(NewJob::new(Job::Check, alpine.app.now())).await.unwrap();
        }
        let promise = "done at once, without `jobs.interval`, 30 s; five for a busy machine";
        Wait::promised(Duration::from_secs(5), added, promise)
            .until("all are done", async || jobs.counts().await.unwrap() == NONE)
            .await;
        Wait::unpromised("counted after it is kept")
            .until("each is counted", async || done(&alpine.app).await == 20)
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_do_each_job_once() {
    let often = || crate::support::Options::default().set("ALPINE__JOBS__INTERVAL", "20ms");
    Alpine::with(often, async |alpine| {
        let other = alpine.app.sibling().await;
        let jobs = &alpine.app.core.stores.jobs;
        let later = alpine.app.now().later(Duration::from_mins(1));
        for _ in 0..40 {
            jobs.add(NewJob::new(Job::Check, alpine.app.now()).due(later)).await.unwrap();
        }
        alpine.clock.advance(Duration::from_mins(1));
        let all = async || done(&alpine.app).await + done(&other).await == 40;
        Wait::unpromised("a busy machine decides").until("all are done", all).await;
        assert_eq!(jobs.counts().await.unwrap(), NONE);
        assert_eq!(done(&alpine.app).await + done(&other).await, 40);
    })
    .await;
}

/// `alpine` with these words, on the database of an instance that serves.
fn run(alpine: &Alpine, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alpine"))
        .args(words)
        .env_clear()
        .env("DATABASE_URL", &alpine.app.config.database.url)
        .env("JWT_SECRET", crate::support::SECRET)
        .env("ALPINE__DATA_DIR", alpine.app.data_path(""))
        .env("ALPINE__JOBS__INTERVAL", "20ms")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_failed_and_has_it_tried_again() {
    let often = || crate::support::Options::default().set("ALPINE__JOBS__INTERVAL", "20ms");
    Alpine::with(often, async |alpine| {
        let jobs = &alpine.app.core.stores.jobs;
        let broken = |unit: &mut Unit<'_>| {
            let sql = "INSERT INTO jobs (kind, payload, created_at, due_at) \
                       VALUES ('check', 'broken', 0, 0)";
            Ok(unit.conn.batch_execute(sql)?)
        };
        alpine.app.core.database.write("break", broken).await.unwrap();
        let failed = JobCounts { pending: 0, failed: 1 };
        Wait::unpromised("a busy machine decides")
            .until("it has failed", async || jobs.counts().await.unwrap() == failed)
            .await;
        let listed = said(&run(&alpine, &["jobs", "list"]));
        let first = listed.lines().next().unwrap();
        assert!(first.contains(" check, asked for 1970-01-01T00:00:00Z, failed "), "{listed}");
        assert!(first.ends_with(": what is stored cannot be read"), "{listed}");
        assert!(listed.ends_with("0 pending, 1 failed\n"), "{listed}");

        let repaired = |unit: &mut Unit<'_>| {
            Ok(unit.conn.batch_execute("UPDATE jobs SET payload = '{\"kind\":\"check\"}'")?)
        };
        alpine.app.core.database.write("repair", repaired).await.unwrap();
        let id = first.split(' ').next().unwrap();
        assert_eq!(said(&run(&alpine, &["jobs", "retry", id])), format!("job {id} is due\n"));
        // That command went by the machine's clock, which is later than this one.
        alpine.clock.advance(Duration::from_hours(24 * 365 * 50));
        Wait::unpromised("a busy machine decides")
            .until("it is done", async || jobs.counts().await.unwrap() == NONE)
            .await;
        let refused = run(&alpine, &["jobs", "retry", id]);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains("failed job not found"), "{text}");
        let checked = said(&run(&alpine, &["jobs", "check"]));
        assert!(checked.starts_with("an instance did job "), "{checked}");
    })
    .await;
}
