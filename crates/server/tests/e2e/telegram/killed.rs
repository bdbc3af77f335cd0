//! A process that is killed after a tier has ended and before the member is out: the job is done after the restart.

use std::time::{Duration, Instant};

use alpine_testing::{TestDatabase, Wait};
use rustix::process::Signal;
use serde_json::Value;

use super::{
    LOW,
    fake::{FakeTelegram, Mood, SECRET, TOKEN},
    settings,
};
use crate::{
    killed::{self, LEASE},
    support::{Backend, Client, backends, process::Process},
};

const EMAIL: &str = "ada@example.com";

struct Scene {
    settings: Vec<(&'static str, String)>,
    telegram: FakeTelegram,
}

impl Scene {
    fn start(&self) -> Process {
        let all = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        Process::start(&all.collect::<Vec<_>>())
    }

    /// Runs a command with the same settings.
    fn run(&self, arguments: &[&str]) -> String {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_alpine"))
            .args(arguments)
            .env_clear()
            .env("JWT_SECRET", crate::support::SECRET)
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{arguments:?}: {text}");
        text.into_owned()
    }
}

async fn channel(user: &Client) -> Value {
    user.get("users/channels").await.expect(200)["items"][0].clone()
}

async fn killed_between_the_end_and_the_removal(backend: &Backend) {
    let folder = tempfile::tempdir().unwrap();
    let database = match backend {
        Backend::SqliteMemory => None,
        Backend::PostgresRedis { .. } => TestDatabase::create(),
    };
    let telegram = FakeTelegram::start();
    let mut settings = settings(&telegram);
    settings.extend(killed::settings(backend, folder.path(), database.as_ref()));
    // A call hangs for longer than the process lives.
    settings.retain(|(name, _)| *name != "ALPINE__TELEGRAM__TIMEOUT");
    settings.push(("ALPINE__TELEGRAM__TIMEOUT", "30s".to_owned()));
    // What is waited for is asked for again and again.
    settings.push(("ALPINE__RATE_LIMITS__ENABLED", "false".to_owned()));
    let it = Scene { settings, telegram };

    let first = it.start();
    let anybody = Client::new(&format!("http://{}", first.address));
    let signed_in = anybody.sign_up(EMAIL).await;
    let user = anybody.with_token(&signed_in.access_token);
    it.run(&["user", "set-tier", EMAIL, "pro", "--reason", "paid by invoice"]);
    let soon =
        || Wait::promised(Duration::from_secs(10), Instant::now(), "looked for each second; ten");
    soon().until("a link", async || channel(&user).await["state"] == "invited").await;
    let link = channel(&user).await["link"].as_str().unwrap().to_owned();
    let update = it.telegram.follow(&link, 7);
    let request = anybody
        .request(reqwest::Method::POST, "webhooks/telegram")
        .header("x-telegram-bot-api-secret-token", SECRET)
        .json(&update);
    anybody.send(request).await.expect(200);
    soon().until("in", async || channel(&user).await["state"] == "member").await;

    it.telegram.set(Mood::Hanging);
    let before = it.telegram.books().asked.len();
    it.run(&["user", "set-tier", EMAIL, "free", "--reason", "not paid"]);
    soon().until("it is begun", async || it.telegram.books().asked.len() > before).await;
    let begun = Instant::now();
    first.signal(Signal::KILL);
    let log = first.log_text();
    drop(first);
    it.telegram.set(Mood::Good);
    assert!(it.telegram.is_in(LOW, 7));

    let second = it.start();
    let promise =
        "half a minute after `jobs.deadline`, looked for each second; 20 for a busy machine";
    Wait::promised(LEASE + Duration::from_secs(20), begun, promise)
        .until("the member is out", async || !it.telegram.is_in(LOW, 7))
        .await;
    let user = user.at(&format!("http://{}", second.address));
    soon().until("told", async || channel(&user).await["reason"] == "tier_ended").await;
    let told = [log, second.log_text(), it.run(&["jobs", "list"]), it.run(&["config", "show"])];
    for text in told {
        assert!(!text.contains(TOKEN) && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_a_process_that_was_killed_is_made_by_another() {
    let all = backends();
    let runs = all.iter().map(killed_between_the_end_and_the_removal);
    futures_util::future::join_all(runs).await;
}
