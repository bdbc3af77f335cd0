//! A Redis whose memory is full and which removes nothing, as clients see it.

use std::time::{Duration, Instant};

use alpine_testing::{Memory, Redis, Wait, own_redis};
use serde_json::{Value, json};

use crate::support::{Client, process::Process};

/// `rate_limits.anonymous.per_minute`.
const LIMIT: usize = 40;

fn run(server: &Redis, command: &str) {
    server.command(&command.split_whitespace().collect::<Vec<_>>()).unwrap();
}

/// Limits the memory to 1 MB and fills it.
fn fill(server: &Redis) {
    run(server, "CONFIG SET maxmemory-policy noeviction");
    run(server, "CONFIG SET maxmemory 1mb");
    for n in 0..1_000 {
        if server.command(&["SETRANGE", &format!("filler:{n}"), "20000", "x"]).is_err() {
            return;
        }
    }
    panic!("1 MB is never full");
}

/// What `/health` says of Redis, once that is its status.
async fn redis_once(wait: Wait, client: &Client, status: &str) -> Value {
    let says = async || {
        let health = client.get("/health").await.expect(200);
        let redis = health["details"]["redis"].clone();
        (redis["status"] == status).then_some(redis)
    };
    wait.until_some(status, says).await
}

/// Lines of the log that tell of Redis: their level and words.
fn told_of_redis(alpine: &Process) -> Vec<(String, String)> {
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let told = alpine.log().into_iter().map(|line| (word(&line, "level"), word(&line, "message")));
    told.filter(|(_, message)| message.contains("Redis")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_18_a_full_redis_refuses_nobody_is_told_of_once_and_comes_back() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let alpine = Process::start(&[
        ("REDIS_URL", &server.url()),
        ("ALPINE__REDIS__CHECK_INTERVAL", "300ms"),
        ("ALPINE__RATE_LIMITS__ANONYMOUS__PER_MINUTE", &LIMIT.to_string()),
    ]);
    let client = Client::new(&format!("http://{}", alpine.address));
    let in_use = || Wait::unpromised("Redis is used once it has answered several times");
    redis_once(in_use(), &client, "healthy").await;
    let ada = client.sign_up("ada@example.com").await;
    let ada = client.with_token(&ada.access_token);
    let before = told_of_redis(&alpine).len();
    let mut statuses = Vec::new();
    let mut ask = async |times: usize| {
        for _ in 0..times {
            statuses.push(client.get("symbols").await.status.as_u16());
        }
    };
    ask(5).await;

    fill(&server);
    let filled = Instant::now();
    // From the first of these on, whether it was noticed or not.
    ask(LIMIT).await;
    ada.get("auth/me").await.expect(200);
    let promise = "`redis.check_interval`, 300 ms here, a second for which a report is passed on, and \
                   two more for a busy machine";
    let out_of_use = Wait::promised(Duration::from_millis(3_300), filled, promise);
    let full = redis_once(out_of_use, &client, "degraded").await;
    let why = "Redis refuses writes: out of memory; local fallbacks are used";
    assert_eq!(full["detail"], why);
    ask(2 * LIMIT).await;
    let bob = client.sign_up("bob@example.com").await;
    let bob = client.with_token(&bob.access_token);
    bob.get("auth/me").await.expect(200);
    bob.post("auth/logout", &json!({})).await.expect(200);
    bob.get("auth/me").await.expect(401);
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    // Less than one limit more than usual.
    assert!((LIMIT..2 * LIMIT).contains(&admitted), "{admitted}: {statuses:?}");
    let told = told_of_redis(&alpine).split_off(before);
    let once = ("WARN".to_owned(), "Redis is out of use; local fallbacks take over".to_owned());
    assert_eq!(told, [once]);

    run(&server, "CONFIG SET maxmemory 0");
    redis_once(in_use(), &client, "healthy").await;
    ada.get("auth/me").await.expect(200);
    bob.get("auth/me").await.expect(401);
    let told = told_of_redis(&alpine).split_off(before + 1);
    assert_eq!(told, [("INFO".to_owned(), "Redis is in use".to_owned())]);
    let last = client.get("symbols").await;
    assert_eq!(last.status, 429, "what was admitted meanwhile is charged: {}", last.text);
}
