//! What runs in the background: without a task something that is seen here does not happen.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock, Timestamp,
    account::{MailPurpose, MailToken, Role, Tier},
    audit::{Action, AuditFilter, AuditQuery},
    time::SystemClock,
};
use alpine_infra::MonotonicClock;
use alpine_server::application::{BackgroundTask, TimeSource};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::{
    settings::{
        billing::unheard_payer,
        channels::{BOT, rechecks},
        signals::{SUMMED, three_of_two_days, two_revoked_keys},
    },
    stage::{On, PATIENCE, Stage, within},
    support::{Backend, Options, TestApp, process::Process},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_task_does_something() {
    assert!(!BackgroundTask::ALL.is_empty());
    futures_util::future::join_all(BackgroundTask::ALL.iter().map(|task| witness(*task))).await;
}

/// Waits until what the task does is seen.
async fn witness(task: BackgroundTask) {
    let done = match task {
        BackgroundTask::Expiry => expires().await,
        BackgroundTask::RecordSums => adds_up_the_record().await,
        BackgroundTask::Retention => deletes_keys().await,
        BackgroundTask::EventRetention => deletes_events().await,
        BackgroundTask::Jobs => does_jobs().await,
        BackgroundTask::Digests => adds_digests().await,
        BackgroundTask::Usage => counts_answers().await,
        BackgroundTask::Denials => writes_refusals().await,
        BackgroundTask::PaymentsDue => looks_at_who_is_due().await,
        BackgroundTask::Channels => settles_memberships().await,
        BackgroundTask::PaymentsSweep => compares_payments().await,
        BackgroundTask::Clock => notices_a_step().await,
        BackgroundTask::FreshnessGauge => measures_freshness().await,
        BackgroundTask::LogSummaries => summarises_the_log().await,
        BackgroundTask::FirstSteps => invites().await,
    };
    assert!(done, "nothing is seen of the task {}", task.name());
}

async fn stage(settings: &[(&str, &str)]) -> Stage {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Vec<_> = settings.iter().map(owned).collect();
    Stage::start("a task", On::MovedClock, &settings).await.unwrap()
}

async fn expires() -> bool {
    let at = stage(&[("signals.expiry_interval", "20ms"), ("signals.expires_after", "1d")]).await;
    three_of_two_days(&at).await;
    at.comes_to("signals_expired_total", "", 3.0).await
}

/// What happened is in the sums once the slowest reader and a minute are past.
async fn adds_up_the_record() -> bool {
    let at = stage(&[("record.seal_interval", "20ms")]).await;
    three_of_two_days(&at).await;
    at.comes_to(SUMMED, "", 3.0).await
}

async fn deletes_keys() -> bool {
    let at = stage(&[("retention.interval", "20ms"), ("retention.api_keys_after", "1d")]).await;
    two_revoked_keys(&at).await;
    at.comes_to("retention_deleted_rows_total", "\"api_keys\"", 2.0).await
}

/// Rows are deleted after the configured time and not before, which is a quarter of a second here.
async fn deletes_events() -> bool {
    const DELETED: (&str, &str) = ("retention_deleted_rows_total", "\"events\"");
    let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let options = Options {
        adjust: Some(|config| config.events.retention = Duration::from_millis(240)),
        ..Options::default()
    };
    let app = TestApp::spawn_with(&Backend::SqliteMemory, options.clock_at(start)).await;
    let folder = tempfile::tempdir().unwrap();
    let at = Stage { key: String::new(), app, proxy: None, redis: None, folder };
    at.publish(&at.producer().await, "old", &["60", "60", "60"]).await;
    assert_eq!(at.metric(DELETED.0, DELETED.1).await.to_string(), "0");
    at.app.advance(Duration::from_secs(1));
    at.comes_to(DELETED.0, DELETED.1, 2.0).await
}

async fn does_jobs() -> bool {
    let at = stage(&[]).await;
    at.job(Duration::ZERO).await;
    at.comes_to("jobs_done_total", "\"done\"", 1.0).await
}

async fn looks_at_who_is_due() -> bool {
    let at = stage(&[("billing.recheck_interval", "20ms")]).await;
    let payer = unheard_payer(&at).await;
    at.app.advance(Duration::from_mins(2));
    within(PATIENCE, async || payer.get("subscriptions/plan").await.expect(200)["tier"] == "pro")
        .await
}

async fn settles_memberships() -> bool {
    let mut settings = BOT.to_vec();
    settings.push(("channels.recheck_interval", "20ms"));
    rechecks(&stage(&settings).await).await
}

async fn compares_payments() -> bool {
    let at = stage(&[("billing.sweep_interval", "20ms")]).await;
    let payer = unheard_payer(&at).await;
    within(PATIENCE, async || payer.get("subscriptions/plan").await.expect(200)["tier"] == "pro")
        .await
}

/// Every `jobs.interval`.
async fn adds_digests() -> bool {
    let at = stage(&[("jobs.interval", "20ms")]).await;
    let email = "reader@example.com";
    let reader = at.member(email, Tier::Free, Role::User).await;
    let accounts = &at.app.core.stores.accounts;
    let email = email.parse().unwrap();
    let (user, now) = (accounts.credentials(&email).await.unwrap().unwrap().0.id, at.app.now());
    let token = MailToken {
        user,
        email,
        purpose: MailPurpose::Verify,
        token_hash: "of a mail".to_owned(),
        created_at: now,
        expires_at: now.later(Duration::from_hours(1)),
    };
    assert!(accounts.put_mail_token(token).await.unwrap());
    assert!(accounts.verify_email("of a mail", now).await.unwrap());
    reader.put("notifications/preferences", &json!({"digest": "daily"})).await.expect(200);
    at.app.advance(Duration::from_hours(1));
    accounts.set_tier_and_role(user, Tier::Pro, Role::User, at.app.now()).await.unwrap();
    at.app.advance(Duration::from_hours(23));
    let is_digest = |mail: &String| mail.contains("1 new notification");
    within(PATIENCE, async || at.app.mails().iter().any(is_digest)).await
}

/// Every ten seconds.
async fn counts_answers() -> bool {
    let at = stage(&[]).await;
    at.app.client().get("signals/latest").await.expect(200);
    let analytics = &at.app.core.use_cases.analytics;
    within(3 * PATIENCE, async || analytics.figures().await.unwrap().requests.today > 0).await
}

/// Every ten seconds.
async fn writes_refusals() -> bool {
    let at = stage(&[]).await;
    let body = json!({"email": "nobody@example.com", "password": "not the password"});
    at.app.client().post("auth/login", &body).await.expect(401);
    let audit = &at.app.core.stores.audit;
    let query = AuditQuery {
        filter: AuditFilter::Action(Action::SignIn),
        since: None,
        until: None,
        after: None,
        limit: 2,
    };
    within(3 * PATIENCE, async || audit.page(query.clone()).await.unwrap().len() == 1).await
}

/// A wall clock that is right until it is set to be wrong by some seconds.
#[derive(Default)]
struct Stepping(AtomicI64);

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        let wrong_by = self.0.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(SystemClock.now().micros() + wrong_by)
    }
}

async fn notices_a_step() -> bool {
    let wall = Arc::new(Stepping::default());
    let steady = Arc::new(MonotonicClock::new());
    let time = TimeSource::Compared { wall: wall.clone(), steady, database: None };
    let options = Options { time: Some(time), ..Options::default() };
    let app = TestApp::spawn_with(&Backend::SqliteMemory, options).await;
    let folder = tempfile::tempdir().unwrap();
    let at = Stage { key: String::new(), app, proxy: None, redis: None, folder };
    wall.0.store(1_000, Ordering::SeqCst);
    at.comes_to("clock_difference_seconds", "\"wall\"", 999.0).await
}

/// Every five seconds.
async fn measures_freshness() -> bool {
    let at = Stage::start("a task", On::Sqlite, &[]).await.unwrap();
    let measured = async || at.metric("token_blacklist_age_seconds", "").await > 0.0;
    within(3 * PATIENCE, measured).await
}

async fn summarises_the_log() -> bool {
    let alpine = Process::start(&[("ALPINE__LOGGING__SUMMARY_INTERVAL", "200ms")]);
    let mut socket = TcpStream::connect(alpine.address).await.unwrap();
    socket.write_all(b"GET / HTTP/9.9\r\n\x00\r\n\r\n").await.unwrap();
    socket.read_to_end(&mut Vec::new()).await.unwrap();
    let is_told = |line: &serde_json::Value| line["connections"] == 1;
    within(PATIENCE, async || alpine.log().iter().any(is_told)).await
}

async fn invites() -> bool {
    let alpine = Process::start(&[]);
    within(PATIENCE, async || alpine.log_text().contains("admin create --email")).await
}

/// Whatever an instance begins stands in the list, and the list has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_has_these_tasks() {
    let at = Stage::start("all tasks", On::Sqlite, &[]).await.unwrap();
    let mut begun = at.app.tasks.clone();
    // `alpine serve` begins these, whose witnesses are processes.
    begun.extend([BackgroundTask::LogSummaries, BackgroundTask::FirstSteps]);
    assert_eq!(begun, BackgroundTask::ALL);
}

/// A signal of the operating system is waited for beside everything else.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_the_program() {
    let mut alpine = Process::start(&[("ALPINE__SHUTDOWN__DRAIN", "0s")]);
    alpine.terminate();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = alpine.ended() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it goes on");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status.code(), Some(0), "{:?}", alpine.log().last());
}

/// A file and a test, or why there is none.
type Seen = Result<(&'static str, &'static str), &'static str>;

/// Every other place that begins a task or a thread, below `crates`: how many lines do, and what fails without.
#[rustfmt::skip]
const OTHERS: &[(&str, usize, Seen)] = &[
    ("http/src/edge/repeats.rs", 1, Ok(("http/src/tests/repeats.rs", "who_asks_while_it_is_answered_is_told_to_wait_and_who_broke_off_finds_the_answer"))),
    ("infra/src/blacklist/mirrored.rs", 1, Err("ends by itself: the database has the revocation")),
    ("infra/src/blacklist/redis.rs", 1, Err("ends by itself, as above")),
    ("infra/src/cache/loading.rs", 1, Ok(("infra/tests/suite/cache.rs", "a_caller_that_leaves_takes_nothing_away"))),
    ("infra/src/cache/redis_level.rs", 1, Err("releases a lease that would end by itself")),
    ("infra/src/events/follower.rs", 1, Ok(("server/tests/e2e/hot_path/at_once.rs", "invariant_15_what_a_2xx_said_is_true_on_another_instance_in_time"))),
    ("infra/src/events/redis_wake_bus.rs", 2, Ok(("infra/tests/suite/events.rs", "instances_wake_each_other_through_redis"))),
    ("infra/src/redis/handle.rs", 1, Ok(("server/tests/witnesses/settings/mod.rs", "each_setting_of_redis_changes_something"))),
    ("server/src/application/mod.rs", 2, Ok(("server/tests/e2e/smoke.rs", "health_and_the_banners_curl_answer"))),
    ("server/src/application/jobs.rs", 1, Ok(("server/src/application/jobs.rs", "as_many_are_done_at_once_as_is_set"))),
    ("server/src/application/tasks.rs", 2, Ok(("server/tests/witnesses/tasks.rs", "each_task_does_something"))),
    ("server/src/commands/serve.rs", 1, Ok(("server/tests/witnesses/tasks.rs", "a_signal_stops_the_program"))),
    ("server/src/logging/writer.rs", 1, Ok(("server/tests/witnesses/settings/process.rs", "the_filter_says_what_is_logged"))),
];

#[test]
fn nothing_else_is_begun() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeMap::new();
    for name in ["domain", "http", "infra", "persistence", "server"] {
        for path in sources(&crates.join(name).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|line| begins(line)).count();
            let file = path.strip_prefix(&crates).unwrap().to_str().unwrap().to_owned();
            if lines > 0 && !file.contains("/tests/") {
                found.insert(file, lines);
            }
        }
    }
    let expected = OTHERS.iter().map(|(file, lines, _)| ((*file).to_owned(), *lines)).collect();
    assert_eq!(found, expected);
    for (file, test) in OTHERS.iter().filter_map(|(.., seen)| seen.ok()) {
        let text = std::fs::read_to_string(crates.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
}

/// Whether a line begins a task or a thread that nobody waits for where it stands.
fn begins(line: &str) -> bool {
    let words =
        ["tokio::spawn", "runtime.spawn(", "running.spawn(", "rt::spawn(", "thread::Builder"];
    words.iter().any(|word| line.contains(word)) && !line.trim_start().starts_with("//")
}

/// Every file of Rust below a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}
