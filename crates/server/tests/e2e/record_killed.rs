//! `alpine rollups rebuild`: makes the sums of a database that has none, and can be killed at any instant.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use alpine_domain::account::{Role, Tier};
use serde_json::json;

use crate::{
    alpine::Alpine,
    support::{Options, SECRET, SignalBody},
};

const SIGNALS: usize = 400;
const CLOSED: usize = 150;
/// How much longer each run lives than the one before.
const LONGER: Duration = Duration::from_millis(15);

const FIGURES: [&str; 3] = [
    "performance/stats",
    "performance/equity-curve?days=3650",
    "performance/stats?late=include&days=3650",
];

async fn publish(alpine: &Alpine) {
    let mut lines = Vec::new();
    for number in 0..SIGNALS {
        let timestamp = alpine.app.now().to_string();
        let body = SignalBody { timestamp, ..SignalBody::new(&format!("S{number}"), "70") };
        lines.push(body.to_json());
    }
    let stored = alpine.post_as_producer("external-signals/sync/batch", lines.join("\n")).await;
    assert_eq!(stored.expect(200)["stored"], SIGNALS);
    for number in 0..CLOSED {
        // Over more than one day and one month.
        alpine.clock.advance(Duration::from_hours(6));
        let outcome = json!({
            "signal_id": format!("S{number}"),
            "exit_price": 160 + number % 40,
            "exit_timestamp": alpine.app.now().to_string(),
        });
        alpine
            .post_as_producer("external-signals/sync/outcome", outcome.to_string())
            .await
            .expect(200);
    }
}

fn rollups(alpine: &Alpine, action: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alpine"));
    command
        .args(["rollups", action])
        .env_clear()
        .env("ALPINE__DATA_DIR", alpine.app.data_path(""))
        .env("JWT_SECRET", SECRET)
        .env("DATABASE_URL", alpine.app.config.database_url().reveal())
        .current_dir(alpine.app.data_path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_at_any_instant_leaves_right_sums() {
    Alpine::with(
        // Nothing else makes sums.
        || Options::default().set("ALPINE__RECORD__SEAL_INTERVAL", "24h"),
        async |alpine| {
            publish(&alpine).await;
            let ask = async |path: &str| {
                let elite = alpine.token_of(Tier::Elite, Role::User).await;
                alpine.json(path, Some(&elite)).await
            };
            let mut before = Vec::new();
            for path in FIGURES {
                before.push(ask(path).await);
            }
            assert_eq!((&before[0]["published"], &before[0]["closed"]), (&json!(400), &json!(150)));
            let mut kills = 0;
            loop {
                let begun = Instant::now();
                let mut child = rollups(&alpine, "rebuild").spawn().unwrap();
                tokio::time::sleep(LONGER * kills).await;
                if child.try_wait().unwrap().is_some() {
                    let output = child.wait_with_output().unwrap();
                    let told = String::from_utf8(output.stderr).unwrap();
                    assert!(output.status.success(), "{told}");
                    break;
                }
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                assert!(kills < 200, "it does not end in {:?}", begun.elapsed());
                let (wrong, _) =
                    alpine.app.core.use_cases.sums.recount(false, |_, _| {}).await.unwrap();
                assert_eq!(wrong, 0, "after {kills} kills");
            }
            assert!(kills > 3, "it was killed {kills} times only");
            let verified = rollups(&alpine, "verify").output().unwrap();
            let told = String::from_utf8(verified.stdout).unwrap();
            assert!(verified.status.success() && told.contains("every sum is right"), "{told}");
            // The same figures, now of sums.
            alpine.clock.advance(Duration::from_hours(1));
            for (path, before) in FIGURES.into_iter().zip(before) {
                assert_eq!(ask(path).await, before, "{path}");
            }
            let (sealed, _) = alpine.app.core.stores.sums.next_day(None).await.unwrap().unwrap();
            assert_eq!(sealed.to_string(), "2026-01-01");
        },
    )
    .await;
}
