//! What ended long ago is deleted, in chunks, and nothing else is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use alpine_domain::{
    AgreedTime, Timestamp,
    account::{ApiKey, ApiKeyId, NewApiKey, Refreshed, Scopes},
    jobs::{Claim, Job, JobCounts, Lane, Lease, NewJob},
    ports::secrets::Randomness,
    retention::{
        Deleted, Due, LogRetention, Positions, Progress, Retention, RetentionRun,
        RetentionSettings, RetentionStep,
    },
    time::ManualClock,
};
use diesel::{QueryableByName, RunQueryDsl as _, sql_types::Text};

use crate::support::{Bed, DatabaseBed, at, on_every, random};

on_every!(
    a_row_goes_by_the_instant_at_which_it_ended,
    a_job_goes_by_the_instant_at_which_it_failed;
    databases:
    what_ended_long_ago_is_deleted_and_nothing_else,
    a_session_with_thousands_of_tokens_goes_in_pieces,
    a_run_is_bounded_and_waits_for_clocks_that_agree,
    two_instances_delete_each_row_once,
    a_run_over_the_log_is_bounded_and_asks_the_clocks_before_each_step,
);

const DAY: i64 = 86_400;

/// `n` rows of one table: each `x` from 1 on.
fn rows(n: u32, insert: &str, select: &str) -> String {
    format!(
        "{insert} WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {n}) \
         SELECT {select} FROM n;"
    )
}

const SESSIONS: &str =
    "INSERT INTO sessions (id, user_id, created_at, expires_at, revoked_at, denied_until)";
const TOKENS: &str = "INSERT INTO refresh_tokens (token_hash, session_id, created_at, used_at)";
const KEYS: &str = "INSERT INTO api_keys \
    (id, user_id, name, prefix, scopes, key_hash, created_at, expires_at, revoked_at)";

/// `n` sessions that ended at `expires`, each with two tokens, one of them used.
async fn sessions(
    bed: &DatabaseBed,
    name: &str,
    n: u32,
    expires: Timestamp,
    denied: Option<Timestamp>,
) {
    let user = bed.accounts.credentials(&"ada@example.com".parse().unwrap()).await.unwrap();
    let (user, expires) = (user.unwrap().0.id, expires.micros());
    let denied = denied.map_or("NULL".to_owned(), |until| until.micros().to_string());
    let one = format!("'{name}' || x, '{user}', 0, {expires}, {denied}, {denied}");
    let token = |n: u32| format!("'{name}' || x || '-{n}', '{name}' || x, 0, NULLIF({n}, 0)");
    let sql = [rows(n, SESSIONS, &one), rows(n, TOKENS, &token(0)), rows(n, TOKENS, &token(1))];
    bed.execute(&sql.concat()).await.unwrap();
}

async fn keys(bed: &DatabaseBed, name: &str, n: u32, expires: &str, revoked: &str) {
    let values = format!(
        "'{name}' || x, (SELECT id FROM users), 'bot', 'p', '', '{name}' || x, 0, {expires}, {revoked}"
    );
    bed.execute(&rows(n, KEYS, &values)).await.unwrap();
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    id: String,
}

async fn ids(bed: &DatabaseBed, column: &'static str, table: &'static str) -> Vec<String> {
    let sql = format!("SELECT {column} AS id FROM {table} ORDER BY {column}");
    let lines =
        bed.database.read("test", move |conn| Ok(diesel::sql_query(&sql).load::<Line>(conn)?));
    lines.await.unwrap().into_iter().map(|line| line.id).collect()
}

/// Retention a day after the end, on day 10.
fn retention(bed: &Bed, time: Arc<dyn AgreedTime>, max_rows_per_run: u64) -> Retention {
    let day = std::time::Duration::from_hours(24);
    let settings = RetentionSettings {
        sessions_after: day,
        api_keys_after: day,
        max_rows_per_run,
        ..RetentionSettings::default()
    };
    Retention::new(bed.retention.clone(), time, &settings)
}

fn day_10() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(at(10 * DAY)))
}

/// Runs to the end; says what each transaction deleted, and why no more.
async fn run(retention: &dyn RetentionRun) -> (Vec<Deleted>, RetentionStep) {
    let (mut chunks, mut progress) = (Vec::new(), Progress::default());
    loop {
        match retention.step(&mut progress).await.unwrap() {
            RetentionStep::Deleted(chunk) => {
                assert!(chunk.rows() <= 2_000, "{chunk:?}");
                chunks.push(chunk);
            }
            end => return (chunks, end),
        }
    }
}

fn total(chunks: &[Deleted]) -> Deleted {
    chunks.iter().fold(Deleted::default(), |sum, chunk| Deleted {
        sessions: sum.sessions + chunk.sessions,
        refresh_tokens: sum.refresh_tokens + chunk.refresh_tokens,
        api_keys: sum.api_keys + chunk.api_keys,
        jobs: sum.jobs + chunk.jobs,
        audit: sum.audit + chunk.audit,
        notifications: sum.notifications + chunk.notifications,
        payment_events: sum.payment_events + chunk.payment_events,
        keyed_requests: sum.keyed_requests + chunk.keyed_requests,
        sign_ups: sum.sign_ups + chunk.sign_ups,
        address_changes: sum.address_changes + chunk.address_changes,
        events: sum.events + chunk.events,
    })
}

async fn what_ended_long_ago_is_deleted_and_nothing_else(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    let due = at(9 * DAY);
    let micros = |instant: Timestamp| instant.micros().to_string();
    let just = Timestamp::from_micros(due.micros() - 1);
    sessions(&bed, "old", 2_500, at(0), None).await;
    sessions(&bed, "just", 1, just, Some(at(10 * DAY))).await;
    sessions(&bed, "before", 1, due, None).await;
    sessions(&bed, "denied", 1, at(0), Some(at(10 * DAY + 1))).await;
    sessions(&bed, "live", 1, at(11 * DAY), None).await;
    keys(&bed, "revoked", 1_100, "NULL", &micros(just)).await;
    keys(&bed, "expired", 3, &micros(just), "NULL").await;
    keys(&bed, "both", 1, &micros(at(0)), &micros(due)).await;
    keys(&bed, "ends", 1, &micros(due), "NULL").await;
    keys(&bed, "good", 1, "NULL", "NULL").await;
    let head = bed.events.head().await.unwrap();

    let (chunks, end) = run(&retention(&bed, day_10(), 1_000_000)).await;
    assert_eq!(end, RetentionStep::Done);
    assert!(chunks.len() >= 13, "{chunks:?}");
    // The account left a line, which stays, and the count of its hour, which is nine days old.
    let (sessions, refresh_tokens, audit) = (2_501, 5_002, 1);
    let expected =
        Deleted { sessions, refresh_tokens, api_keys: 1_103, audit, ..Deleted::default() };
    assert_eq!(total(&chunks), expected);
    assert_eq!(ids(&bed, "id", "sessions").await, ["before1", "denied1", "live1"]);
    assert_eq!(
        ids(&bed, "token_hash", "refresh_tokens").await,
        ["before1-0", "before1-1", "denied1-0", "denied1-1", "live1-0", "live1-1"]
    );
    assert_eq!(ids(&bed, "id", "api_keys").await, ["both1", "ends1", "good1"]);
    assert_eq!(ids(&bed, "id", "users").await.len(), 1);
    assert_eq!(bed.events.head().await.unwrap(), head, "nobody holds in memory what is deleted");
}

/// One before, one at, one after the bound, made by the stores themselves.
async fn a_row_goes_by_the_instant_at_which_it_ended(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let key = |seconds, ends| {
        let id = ApiKeyId::generate(at(seconds), random());
        let key = ApiKey {
            id,
            owner: ada.id,
            name: "bot".parse().unwrap(),
            prefix: "alp_1234".to_owned(),
            scopes: Scopes::UNNAMED,
            created_at: at(seconds),
            expires_at: ends,
        };
        NewApiKey { key, key_hash: id.to_string(), generation: 0 }
    };
    for ends in [None, Some(at(999)), Some(at(1_000)), Some(at(2_000))] {
        bed.api_keys.create(key(0, ends), 9).await.unwrap();
    }
    let revoked = key(1, Some(at(2_000)));
    bed.api_keys.create(revoked.clone(), 9).await.unwrap();
    bed.api_keys.revoke(ada.id, revoked.key.id, at(999)).await.unwrap();
    // Both expire at 1,000; the tokens of one are denied until 5,000.
    let ended = bed.session(ada.id, "ended").await;
    assert!(matches!(bed.rotate("ended", "again", at(1), at(9)).await, Refreshed::Rotated { .. }));
    let denied = bed.session(ada.id, "denied").await;
    bed.accounts.revoke_session(denied, at(1), at(5_000)).await.unwrap();
    let delete = async |sessions: Timestamp, now: Timestamp| {
        let due = Due {
            sessions,
            api_keys: at(1_000),
            failed_jobs: at(1_000),
            audit: Timestamp::MIN,
            notifications: Timestamp::MIN,
            now,
            from: Positions::default(),
        };
        bed.retention.delete_chunk(due).await.unwrap().0
    };
    let (next, just) = (Timestamp::from_micros, at(5_000).micros() - 1);
    let after = next(at(1_000).micros() + 1);
    let gone = |sessions, refresh_tokens, api_keys| Deleted {
        sessions,
        refresh_tokens,
        api_keys,
        ..Deleted::default()
    };
    assert_eq!(delete(at(1_000), next(just)).await, gone(0, 0, 2));
    assert_eq!(delete(at(1_000), next(just)).await, gone(0, 0, 0));
    assert_eq!(bed.accounts.session_of_refresh("ended").await.unwrap(), Some(ended));
    assert_eq!(delete(after, next(just)).await, gone(1, 2, 0));
    assert_eq!(bed.accounts.session_of_refresh("again").await.unwrap(), None);
    assert_eq!(bed.accounts.session_of_refresh("denied").await.unwrap(), Some(denied));
    assert_eq!(delete(after, at(5_000)).await, gone(1, 1, 0));
    assert_eq!(bed.accounts.session_of_refresh("denied").await.unwrap(), None);
    assert_eq!(bed.api_keys.list(ada.id, at(999)).await.unwrap().len(), 3);
}

async fn a_job_goes_by_the_instant_at_which_it_failed(bed: Bed) {
    for seconds in [999, 1_000, 1_001] {
        bed.jobs.add(NewJob::new(Job::Check, at(0))).await.unwrap();
        let lease = Lease::generate(&Random);
        let claim = Claim { lane: Lane::Other, now: at(0), until: at(9), lease, limit: 1 };
        let held = bed.jobs.claim(claim).await.unwrap().remove(0);
        assert!(bed.jobs.fail(&held, at(seconds), "refused").await.unwrap());
    }
    // As old as they are, and neither failed.
    bed.jobs.add(NewJob::new(Job::Check, at(0))).await.unwrap();
    let delete = async |failed_jobs| {
        let (first, from) = (Timestamp::MIN, Positions::default());
        let due = Due {
            sessions: first,
            api_keys: first,
            failed_jobs,
            audit: first,
            notifications: Timestamp::MIN,
            now: at(5_000),
            from,
        };
        let (deleted, _) = bed.retention.delete_chunk(due).await.unwrap();
        assert_eq!(deleted, Deleted { jobs: deleted.jobs, ..Deleted::default() });
        deleted.jobs
    };
    assert_eq!([delete(at(999)).await, delete(at(1_000)).await], [0, 1]);
    assert_eq!([delete(at(1_000)).await, delete(at(9_000)).await], [0, 2]);
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 1, failed: 0 });
}

struct Random;

impl Randomness for Random {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.iter_mut().zip(random()).for_each(|(to, from)| *to = from);
    }
}

async fn a_session_with_thousands_of_tokens_goes_in_pieces(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    sessions(&bed, "s", 3, at(0), None).await;
    bed.execute(&rows(9_000, TOKENS, "'t' || x, 's2', 0, 1")).await.unwrap();
    let (chunks, end) = run(&retention(&bed, day_10(), 1_000_000)).await;
    assert_eq!(end, RetentionStep::Done);
    assert_eq!(chunks.len(), 11, "{chunks:?}");
    assert!(chunks[..9].iter().all(|chunk| chunk.sessions == 0), "no token lacks its session");
    assert_eq!(
        total(&chunks),
        Deleted { sessions: 3, refresh_tokens: 9_006, audit: 1, ..Deleted::default() }
    );
}

/// Clocks that agree on day 10 so many times, and differ then.
struct AgreeTimes(AtomicUsize);

impl AgreedTime for AgreeTimes {
    fn agreed_now(&self) -> Option<Timestamp> {
        let less = |times: usize| times.checked_sub(1);
        let agree = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        agree.then(|| at(10 * DAY))
    }
}

async fn a_run_over_the_log_is_bounded_and_asks_the_clocks_before_each_step(bed: DatabaseBed) {
    let (old, new) = (at(9 * DAY).micros() - 1, at(9 * DAY).micros());
    for (n, recorded_at) in [(7_500, old), (10, new)] {
        let insert = "INSERT INTO events (recorded_at, kind, payload)";
        let values = format!("{recorded_at}, 'signal_closed', '{{}}'");
        bed.execute(&rows(n, insert, &values)).await.unwrap();
    }
    let head = bed.events.head().await.unwrap();
    let retention = |agree: usize, max_rows: u64| {
        let time = Arc::new(AgreeTimes(AtomicUsize::new(agree)));
        let day = std::time::Duration::from_hours(24);
        LogRetention::new(bed.events.clone(), time, day, max_rows)
    };
    let deleted = async |agree, max_rows| {
        let (chunks, end) = run(&retention(agree, max_rows)).await;
        (total(&chunks).events, end)
    };
    assert_eq!(deleted(0, 10_000).await, (0, RetentionStep::ClocksDiffer));
    assert_eq!(deleted(1, 10_000).await, (2_000, RetentionStep::ClocksDiffer));
    assert_eq!(deleted(99, 2_001).await, (4_000, RetentionStep::Bound));
    assert_eq!(deleted(99, 10_000).await, (1_500, RetentionStep::Done));
    assert_eq!(bed.kinds().await.len(), 10);
    assert_eq!(bed.events.head().await.unwrap(), head);
}

struct Differ(AtomicBool);

impl AgreedTime for Differ {
    fn agreed_now(&self) -> Option<Timestamp> {
        (!self.0.load(Ordering::SeqCst)).then(|| at(10 * DAY))
    }
}

async fn a_run_is_bounded_and_waits_for_clocks_that_agree(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    sessions(&bed, "s", 2_200, at(0), None).await;
    let clocks = Arc::new(Differ(AtomicBool::new(true)));
    let retention = retention(&bed, clocks.clone(), 3_100);
    assert_eq!(run(&retention).await, (vec![], RetentionStep::ClocksDiffer));
    clocks.0.store(false, Ordering::SeqCst);
    let (chunks, end) = run(&retention).await;
    assert_eq!((total(&chunks).sessions, end), (1_200, RetentionStep::Bound));
    let (chunks, end) = run(&retention).await;
    assert_eq!((total(&chunks).sessions, end), (1_000, RetentionStep::Done));
}

async fn two_instances_delete_each_row_once(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    sessions(&bed, "s", 3_000, at(0), None).await;
    let due = Due {
        sessions: at(9 * DAY),
        api_keys: at(9 * DAY),
        failed_jobs: at(9 * DAY),
        audit: Timestamp::MIN,
        notifications: Timestamp::MIN,
        now: at(10 * DAY),
        from: Positions::default(),
    };
    let instances = (0..2).map(|_| {
        let store = bed.retention.clone();
        tokio::spawn(async move {
            let mut deleted = Vec::new();
            for _ in 0..3 {
                deleted.push(store.delete_chunk(due).await.unwrap().0);
            }
            total(&deleted)
        })
    });
    let mut sum = Deleted::default();
    for instance in instances.collect::<Vec<_>>() {
        sum = total(&[sum, instance.await.unwrap()]);
    }
    let (rest, end) = run(&retention(&bed, day_10(), 1_000_000)).await;
    assert_eq!(end, RetentionStep::Done);
    let expected =
        Deleted { sessions: 3_000, refresh_tokens: 6_000, audit: 1, ..Deleted::default() };
    assert_eq!(total(&[sum, total(&rest)]), expected);
}
