//! A process that is killed after it has answered and before the mail is sent: another one sends it, once.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alpine_testing::{TestDatabase, Wait};
use rustix::process::Signal;
use tokio::net::TcpListener;

use crate::support::{Backend, Client, backends, process::Process};

const EMAIL: &str = "ada@example.com";

/// `jobs.deadline` as set here, and half a minute more.
pub const LEASE: Duration = Duration::from_secs(32);

/// What the processes have in common, by environment name.
pub fn settings(
    backend: &Backend,
    folder: &Path,
    database: Option<&TestDatabase>,
) -> Vec<(&'static str, String)> {
    let url = database.map_or_else(
        || format!("sqlite:{}", folder.join("alpine.db").display()),
        |database| database.url().to_owned(),
    );
    let mut settings = vec![
        ("DATABASE_URL", url),
        ("ALPINE__DATA_DIR", folder.display().to_string()),
        ("ALPINE__JOBS__DEADLINE", "2s".to_owned()),
        ("ALPINE__JOBS__INTERVAL", "1s".to_owned()),
        ("ALPINE__MAIL__TIMEOUT", "1s".to_owned()),
        ("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "never".to_owned()),
    ];
    if let Backend::PostgresRedis { redis } = backend {
        settings.push(("REDIS_URL", redis.clone()));
        settings.push(("ALPINE__REDIS__KEY_PREFIX", format!("killed-{}", std::process::id())));
    }
    settings
}

fn start(settings: &[(&'static str, String)], smtp: &str) -> Process {
    let mut all: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.push(("ALPINE__MAIL__SMTP", smtp));
    Process::start(&all)
}

/// The letters to this address in the outbox of `folder`.
fn letters_to(folder: &Path, email: &str) -> usize {
    let entries = std::fs::read_dir(folder.join("outbox")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mails = paths.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let to = format!("To: {email}");
    mails.filter(|path| std::fs::read_to_string(path).unwrap().contains(&to)).count()
}

async fn killed_between_commit_and_mail(backend: &Backend) {
    let folder = tempfile::tempdir().unwrap();
    let database = match backend {
        Backend::SqliteMemory => None,
        Backend::PostgresRedis { .. } => TestDatabase::create(),
    };
    let settings = settings(backend, folder.path(), database.as_ref());
    // It takes a connection and says nothing, so that the mail is begun and not sent.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = format!("smtp://{}", hanging.local_addr().unwrap());
    let first = start(&settings, &smtp);
    Client::new(&format!("http://{}", first.address)).sign_up(EMAIL).await;
    hanging.accept().await.unwrap();
    let begun = Instant::now();
    first.signal(Signal::KILL);
    drop(first);
    drop(hanging);

    let second = start(&settings, "");
    let anybody = Client::new(&format!("http://{}", second.address));
    // What the dead one held keeps nothing else waiting.
    anybody.sign_up("eve@example.com").await;
    let signed_up = Instant::now();
    Wait::promised(Duration::from_secs(10), signed_up, "sent at once; ten for a busy machine")
        .until("another letter is sent", async || letters_to(folder.path(), "eve@example.com") == 1)
        .await;
    if begun.elapsed() < LEASE {
        assert_eq!(letters_to(folder.path(), EMAIL), 0, "it is held by the dead one");
    }
    let promise =
        "half a minute after `jobs.deadline`, looked for each second; 20 for a busy machine";
    Wait::promised(LEASE + Duration::from_secs(20), begun, promise)
        .until("the letter is sent", async || letters_to(folder.path(), EMAIL) == 1)
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(letters_to(folder.path(), EMAIL), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_of_a_process_that_was_killed_is_sent_once_by_another() {
    let all = backends();
    let runs = all.iter().map(killed_between_commit_and_mail);
    futures_util::future::join_all(runs).await;
}
