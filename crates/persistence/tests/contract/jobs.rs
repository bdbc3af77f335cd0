//! What has to be done is done once, by whoever holds it, or stays visible.

use std::time::Duration;

use alpine_domain::{
    Error,
    jobs::{
        Claim, ClaimedJob, Job, JobCounts, JobId, JobState, JobStore, Lane, Lease, MAX_COUNTED,
        NewJob,
    },
    ports::secrets::Randomness,
};
use alpine_persistence::Jobs;

use crate::support::{Bed, DatabaseBed, at, on_every, random};

on_every!(
    a_claim_is_for_one_lane,
    a_job_is_done_and_gone,
    jobs_are_claimed_in_the_order_in_which_they_are_due,
    two_who_claim_at_once_share_nothing,
    a_lease_that_is_over_goes_to_another_and_the_first_holder_changes_nothing,
    a_job_that_is_retried_waits_and_tells_why,
    a_job_that_failed_is_kept_until_it_is_asked_for,
    one_job_for_each_key_is_pending,
    a_failed_job_gives_way_to_a_pending_one_with_its_key,
    states_are_listed_in_their_order_and_in_pieces,
    counts_are_bounded;
    databases:
    a_job_stands_or_falls_with_its_cause,
    what_another_release_wrote_is_left_alone_and_what_is_broken_has_failed,
);

struct Ids;

impl Randomness for Ids {
    fn fill(&self, buffer: &mut [u8]) {
        let bytes = random();
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

/// A claim at `seconds`, for a minute.
fn claim(seconds: i64, limit: u32) -> Claim {
    Claim {
        lane: Lane::Other,
        now: at(seconds),
        until: at(seconds + 60),
        lease: Lease::generate(&Ids),
        limit,
    }
}

fn job(due: i64) -> NewJob {
    NewJob::new(Job::Check, at(0)).due(at(due))
}

async fn add(bed: &Bed, due: i64) -> JobId {
    bed.jobs.add(job(due)).await.unwrap().unwrap()
}

async fn claimed(bed: &Bed, seconds: i64, limit: u32) -> Vec<ClaimedJob> {
    bed.jobs.claim(claim(seconds, limit)).await.unwrap()
}

fn ids(jobs: &[ClaimedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

async fn a_claim_is_for_one_lane(bed: Bed) {
    let email = "ada@example.com".to_owned();
    let mail = NewJob::new(Job::ResetRequested { email }, at(0));
    let mail = bed.jobs.add(mail).await.unwrap().unwrap();
    let other = add(&bed, 1).await;
    assert_eq!(ids(&claimed(&bed, 2, 5).await), [other]);
    let mails = Claim { lane: Lane::Mail, ..claim(2, 5) };
    assert_eq!(ids(&bed.jobs.claim(mails).await.unwrap()), [mail]);
    assert_eq!(bed.jobs.claim(mails).await.unwrap(), []);
}

async fn a_job_is_done_and_gone(bed: Bed) {
    let id = add(&bed, 10).await;
    assert_eq!(claimed(&bed, 9, 5).await, []);
    let held = claimed(&bed, 10, 5).await;
    assert_eq!((held.len(), held[0].id, &held[0].job), (1, id, &Job::Check));
    assert_eq!(held[0].attempts, 1);
    assert_eq!(claimed(&bed, 11, 5).await, [], "it is held");
    let stored = bed.jobs.find(id).await.unwrap().unwrap();
    assert_eq!((stored.kind.as_str(), stored.state()), ("check", JobState::Pending));
    assert_eq!((stored.created_at, stored.due_at), (at(0), at(70)));
    assert!(bed.jobs.finish(&held[0]).await.unwrap());
    assert_eq!(bed.jobs.find(id).await.unwrap(), None);
    assert!(!bed.jobs.finish(&held[0]).await.unwrap(), "once");
    assert_eq!(claimed(&bed, 1_000, 5).await, []);
    // Numbers are not used twice.
    assert_ne!(add(&bed, 0).await, id);
}

async fn jobs_are_claimed_in_the_order_in_which_they_are_due(bed: Bed) {
    let (third, first, second) = (add(&bed, 3).await, add(&bed, 1).await, add(&bed, 2).await);
    let future = add(&bed, 101).await;
    assert_eq!(ids(&claimed(&bed, 100, 2).await), [first, second]);
    let rest = claimed(&bed, 100, 2).await;
    assert_eq!(ids(&rest), [third]);
    assert_eq!(ids(&claimed(&bed, 101, 2).await), [future]);
    assert_eq!(claimed(&bed, 102, 0).await, []);
}

async fn two_who_claim_at_once_share_nothing(bed: Bed) {
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(add(&bed, 0).await);
    }
    let claims: Vec<_> = (0..8)
        .map(|_| {
            let jobs = bed.jobs.clone();
            tokio::spawn(async move { jobs.claim(claim(1, 10)).await.unwrap() })
        })
        .collect();
    let mut found = Vec::new();
    for claim in claims {
        found.extend(ids(&claim.await.unwrap()));
    }
    found.extend(ids(&claimed(&bed, 1, 100).await));
    found.sort_unstable();
    assert_eq!(found, all);
}

async fn a_lease_that_is_over_goes_to_another_and_the_first_holder_changes_nothing(bed: Bed) {
    let id = add(&bed, 0).await;
    let first = claimed(&bed, 1, 1).await.remove(0);
    assert_eq!(claimed(&bed, 60, 1).await, []);
    let second = claimed(&bed, 61, 1).await.remove(0);
    assert_eq!((second.id, second.attempts), (id, 2));
    let before = bed.jobs.find(id).await.unwrap();
    assert!(!bed.jobs.finish(&first).await.unwrap());
    assert!(!bed.jobs.retry(&first, at(0), "late").await.unwrap());
    assert!(!bed.jobs.fail(&first, at(62), "late").await.unwrap());
    assert_eq!(bed.jobs.find(id).await.unwrap(), before);
    assert!(bed.jobs.finish(&second).await.unwrap());
}

async fn a_job_that_is_retried_waits_and_tells_why(bed: Bed) {
    let id = add(&bed, 0).await;
    let held = claimed(&bed, 1, 1).await.remove(0);
    assert!(bed.jobs.retry(&held, at(500), "no answer").await.unwrap());
    assert!(!bed.jobs.finish(&held).await.unwrap(), "it is held no more");
    let stored = bed.jobs.find(id).await.unwrap().unwrap();
    assert_eq!((stored.due_at, stored.attempts), (at(500), 1));
    assert_eq!(stored.last_error.as_deref(), Some("no answer"));
    assert_eq!(claimed(&bed, 499, 1).await, []);
    assert_eq!(claimed(&bed, 500, 1).await[0].attempts, 2);
}

async fn a_job_that_failed_is_kept_until_it_is_asked_for(bed: Bed) {
    let id = add(&bed, 0).await;
    let refused = bed.jobs.retry_failed(id, at(1)).await;
    assert!(matches!(refused, Err(Error::NotFound("failed job"))), "{refused:?}");
    let held = claimed(&bed, 1, 1).await.remove(0);
    assert!(bed.jobs.fail(&held, at(2), "refused").await.unwrap());
    assert!(!bed.jobs.finish(&held).await.unwrap(), "it is held no more");
    assert_eq!(claimed(&bed, 1_000, 1).await, []);
    let stored = bed.jobs.find(id).await.unwrap().unwrap();
    assert_eq!((stored.state(), stored.failed_at), (JobState::Failed, Some(at(2))));
    assert_eq!(stored.last_error.as_deref(), Some("refused"));
    assert_eq!(bed.jobs.retry_failed(id, at(2_000)).await.unwrap(), id);
    assert_eq!(claimed(&bed, 1_999, 1).await, []);
    let again = claimed(&bed, 2_000, 1).await.remove(0);
    assert_eq!((again.id, again.attempts), (id, 1));
}

async fn one_job_for_each_key_is_pending(bed: Bed) {
    let keyed = |key: &str| job(0).once_for(key);
    let id = bed.jobs.add(keyed("a")).await.unwrap().unwrap();
    assert_eq!(bed.jobs.add(keyed("a")).await.unwrap(), None);
    assert!(bed.jobs.add(keyed("b")).await.unwrap().is_some());
    let held = claimed(&bed, 1, 1).await.remove(0);
    assert_eq!(held.id, id);
    assert_eq!(bed.jobs.add(keyed("a")).await.unwrap(), None, "while it is being done");
    assert!(bed.jobs.retry(&held, at(9), "again").await.unwrap());
    assert_eq!(bed.jobs.add(keyed("a")).await.unwrap(), None, "while it waits for its next try");
    let held = claimed(&bed, 9, 2).await.into_iter().find(|job| job.id == id).unwrap();
    assert!(bed.jobs.finish(&held).await.unwrap());
    assert!(bed.jobs.add(keyed("a")).await.unwrap().is_some());
    let additions: Vec<_> = (0..6)
        .map(|_| {
            let (jobs, job) = (bed.jobs.clone(), keyed("c"));
            tokio::spawn(async move { jobs.add(job).await.unwrap() })
        })
        .collect();
    let mut added = 0;
    for addition in additions {
        added += usize::from(addition.await.unwrap().is_some());
    }
    assert_eq!(added, 1);
}

async fn a_failed_job_gives_way_to_a_pending_one_with_its_key(bed: Bed) {
    let keyed = || job(0).once_for("a");
    let old = bed.jobs.add(keyed()).await.unwrap().unwrap();
    let held = claimed(&bed, 1, 1).await.remove(0);
    assert!(bed.jobs.fail(&held, at(1), "refused").await.unwrap());
    let new = bed.jobs.add(keyed()).await.unwrap().expect("what failed is not pending");
    assert_eq!(bed.jobs.retry_failed(old, at(2)).await.unwrap(), new);
    assert_eq!(bed.jobs.find(old).await.unwrap(), None);
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 1, failed: 0 });
}

async fn states_are_listed_in_their_order_and_in_pieces(bed: Bed) {
    let mut failed = Vec::new();
    for seconds in 0..3 {
        failed.push(add(&bed, 0).await);
        let held = claimed(&bed, 1, 1).await.remove(0);
        assert!(bed.jobs.fail(&held, at(seconds), "refused").await.unwrap());
    }
    failed.reverse();
    let (late, soon) = (add(&bed, 9).await, add(&bed, 8).await);
    let list = async |state, limit, offset| {
        let found = bed.jobs.list(state, limit, offset).await.unwrap();
        assert!(found.iter().all(|job| job.state() == state));
        found.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(list(JobState::Failed, 10, 0).await, failed);
    assert_eq!(list(JobState::Failed, 1, 1).await, failed[1..2]);
    assert_eq!(list(JobState::Pending, 10, 0).await, [soon, late]);
    assert_eq!(list(JobState::Pending, 10, 2).await, []);
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 2, failed: 3 });
}

async fn counts_are_bounded(bed: Bed) {
    for _ in 0..=MAX_COUNTED {
        add(&bed, 0).await;
    }
    let counts = bed.jobs.counts().await.unwrap();
    assert_eq!(counts, JobCounts { pending: MAX_COUNTED, failed: 0 });
}

/// The transaction that makes the job is rolled back: the job was never there.
async fn a_job_stands_or_falls_with_its_cause(bed: DatabaseBed) {
    let fails = bed.database.write("test", |unit| {
        unit.enqueue(&job(0))?;
        Err::<(), _>(Error::NotFound("cause").into())
    });
    assert!(fails.await.is_err());
    assert_eq!(claimed(&bed, 1, 1).await, []);
    let works = bed.database.write("test", |unit| unit.enqueue(&job(0))).await.unwrap();
    assert_eq!(ids(&claimed(&bed, 1, 1).await), [works.unwrap()]);
}

async fn what_another_release_wrote_is_left_alone_and_what_is_broken_has_failed(bed: DatabaseBed) {
    bed.execute(
        "INSERT INTO jobs (kind, payload, created_at, due_at) \
         VALUES ('from_the_future', '{}', 0, 0), ('check', '{}', 0, 0)",
    )
    .await
    .unwrap();
    let good = add(&bed, 0).await;
    assert_eq!(ids(&claimed(&bed, 1, 3).await), [good]);
    let pending = bed.jobs.list(JobState::Pending, 10, 0).await.unwrap();
    assert_eq!((pending.len(), pending[0].kind.as_str()), (2, "from_the_future"));
    let failed = bed.jobs.list(JobState::Failed, 10, 0).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].last_error.as_deref(), Some("what is stored cannot be read"));
}

/// Two instances on PostgreSQL: what one transaction holds, another passes over without waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_no_other() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let (first, second) = (add(&bed, 0).await, add(&bed, 0).await);
    let (began, has_begun) = std::sync::mpsc::channel();
    let (let_go, is_let_go) = std::sync::mpsc::channel::<()>();
    let is_let_go = std::sync::Mutex::new(is_let_go);
    let database = bed.database.clone();
    let holder = tokio::spawn(async move {
        let work = move |unit: &mut alpine_persistence::Unit<'_>| {
            use diesel::connection::SimpleConnection as _;
            unit.conn.batch_execute("SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE")?;
            began.send(()).unwrap();
            is_let_go.lock().unwrap().recv().unwrap();
            Ok(())
        };
        database.write("test", work).await.unwrap();
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let other = Jobs::new(bed.another(|_| ()));
    let claim = other.claim(claim(1, 1));
    // Waiting would last until the statement's deadline; a busy machine is forgiven some seconds.
    let claimed = tokio::time::timeout(Duration::from_secs(10), claim).await;
    let_go.send(()).unwrap();
    holder.await.unwrap();
    assert_eq!(ids(&claimed.expect("it does not wait").unwrap()), [second]);
    assert_ne!(first, second);
}
