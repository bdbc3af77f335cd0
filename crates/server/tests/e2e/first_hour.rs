//! From nothing to value: what a newcomer, a producer and a subscriber meet first.

use std::{process::Command, time::Duration};

use alpine_testing::{
    Memory, TestDatabase, Wait, own_redis,
    servers::programs::{self, PostgresPrograms},
};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Client, SignalBody, process::Process},
};

/// The program as a demonstration, with all that it prints.
struct Demo {
    child: std::process::Child,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = std::fs::File::create(folder.path().join("output")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .args(["--demo", "--bind", "127.0.0.1:0"])
            .env_clear()
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every command that the demonstration prints shows something at once, and nothing of it stands where real signals go.
#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_demonstration_shows_something() {
    // Whatever database is configured.
    let demo = Demo::start(&[
        ("DATABASE_URL", "sqlite:data/real.db"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("ALPINE__DATABASE__MIGRATE_ON_START", "false"),
    ]);
    let watch = async || demo.printed().contains("  commands ").then_some(());
    Wait::unpromised("a demonstration makes its past as fast as the machine lets it")
        .until_some("it serves", watch)
        .await;
    let printed = demo.printed();
    let lines: Vec<&str> = { printed.lines() }
        .filter(|line| line.starts_with("  try ") || line.starts_with("  watch "))
        .map(|line| line.split_once("curl").unwrap().1)
        .collect();
    assert_eq!(lines.len(), 2, "{printed}");
    for line in lines {
        let output = Command::new("sh").args(["-c", &format!("curl{line}")]).output().unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let signals = shown.as_array().unwrap();
        assert!(signals.len() > 2 && signals.iter().all(|it| it["simulated"] == true), "{shown}");
    }
    let line = printed.lines().find_map(|line| line.strip_prefix("  commands ")).unwrap();
    let mut command = Command::new("sh");
    let listed = command.args(["-c", line]).current_dir(demo.folder.path()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("demo-elite@example.com"), "{line}: {listed}");
    let address = printed.split("serving        ").nth(1).unwrap().lines().next().unwrap();
    let client = Client::new(address.trim_end_matches("/api/v1"));
    let stats = client.get("performance/stats?record=simulated").await.expect(200);
    assert!(stats["total_trades"].as_u64().unwrap() > 100, "{stats}");
    assert!(stats["by_month"][0].is_object(), "{stats}");
    let curve = client.get("performance/equity-curve?record=simulated").await.expect(200);
    assert!(curve["points"].as_array().unwrap().len() > 5, "{curve}");
    let password = printed.split("demo-free@example.com").nth(1).unwrap().lines().next().unwrap();
    let login = json!({"email": "demo-free@example.com", "password": password.trim()});
    let session = client.post("auth/login", &login).await.expect(200);
    assert!(session["expires_in"].as_u64().unwrap() > 86_400, "as long as somebody watches");
    let free = client.with_token(session["access_token"].as_str().unwrap());
    let page = free.get("signals/subscribed").await.expect(200);
    assert!(page["total"].as_u64().unwrap() > 0, "{page}");
    let visibility = json!({"tier": "free", "delay_seconds": 900, "below": 85.0, "rows": 10});
    assert_eq!(page["visibility"], visibility);
    let latest = free.get("signals/latest").await;
    assert_eq!(latest.header("x-visibility"), "tier=free, delay_seconds=900, below=85, rows=10");

    let data = demo.folder.path().join("data");
    assert!(data.join("demo.db").exists());
    assert!(!data.join("alpine.db").exists() && !data.join("real.db").exists(), "{printed}");
}

/// What an operator has at hand at the first look: pages for people, and health in one line for each part.
#[tokio::test]
async fn a_browser_is_shown_what_this_is() {
    Alpine::on_every_back_end(async |alpine| {
        let client = alpine.app.client();
        let home = client.get("/").await;
        assert_eq!(home.status, 200);
        assert!(home.header("content-type").starts_with("text/html"), "{}", home.text);
        for words in [
            "<title>Alpine</title>",
            "<span class=\"status ",
            "href=\"/docs\"",
            "href=\"/health\"",
            "<dt>database</dt><dd class=\"healthy\">healthy</dd>",
            "auth/login",
            "sync/signal",
        ] {
            assert!(home.text.contains(words), "{words} is missing in {}", home.text);
        }
        assert!(!home.text.contains("{base}") && !home.text.contains("<script"));
        let icon = client.get("/favicon.ico").await;
        assert_eq!((icon.status.as_u16(), icon.header("content-type")), (200, "image/png"));
        let robots = client.get("/robots.txt").await;
        assert!(robots.text.starts_with("User-agent: *\n"), "{}", robots.text);
        let docs = client.get("/docs/").await;
        assert!(docs.text.contains("<title>Alpine API</title>"), "{}", docs.text);
        for file in ["alpine.css", "alpine.js", "swagger-ui.css", "swagger-ui-bundle.js"] {
            assert_eq!(client.get(&format!("/docs/{file}")).await.status, 200, "{file}");
        }
        let described = client.get("/openapi.json").await.expect(200);
        let text = described["info"]["description"].as_str().unwrap();
        assert!(text.contains("| free | below 85 % | 15 min | 10 |"), "{text}");
        let health = client.get("/health").await.expect(200);
        assert_eq!(health["checks"]["database"], "healthy");
        assert!(health["details"]["database"]["since"].is_string(), "{health}");
    })
    .await;
}

/// The first own signal is seen by a signed-in subscriber, closed, and found again by its producer.
#[tokio::test]
async fn a_producer_finds_what_it_pushed() {
    Alpine::on_every_back_end(async |alpine| {
        let producer = alpine.app.client().with_key(&alpine.producer_key);
        let mut signal = SignalBody::new("a/b c%2F?", "80");
        signal.confidence = "80.5".to_owned();
        let stored = producer.post_text("external-signals/sync/signal", signal.to_json()).await;
        let id = stored.expect(201)["alpine_signal_id"].clone();
        let location = stored.header("location");
        let found = producer.get(location).await.expect(200);
        assert_eq!((&found["signal_id"], &found["id"]), (&json!("a/b c%2F?"), &json!(id.to_string())));
        let page = producer.get("external-signals/signals?limit=1").await.expect(200);
        assert_eq!((&page["total"], &page["has_more"]), (&json!(1), &json!(false)), "{page}");
        let end = json!({"signal_id": "a/b c%2F?", "exit_price": 180, "exit_timestamp": "2025-01-16T00:00:00Z", "profit": 7});
        let lines = json!([end, {"signal_id": "unknown", "exit_price": 1, "exit_timestamp": "2025-01-16T00:00:00Z"}, 7]);
        let told = producer.post("external-signals/sync/outcomes", &lines).await.expect(200);
        assert_eq!((&told["closed"], &told["refused"]), (&json!(1), &json!(2)), "{told}");
        assert_eq!(told["results"][0]["status"], "closed");
        assert_eq!(told["results"][1]["errors"][0]["field"], "signal_id");
        assert_eq!(told["warnings"], json!(["the member profit is not known here, and was ignored"]));
        let again = producer.post("external-signals/sync/outcomes", &lines).await.expect(200);
        assert_eq!((&again["closed"], &again["duplicates"]), (&json!(0), &json!(1)), "{again}");
        let closed = producer.get("external-signals/signals?status=closed").await.expect(200);
        assert_eq!(closed["items"][0]["exit_price"], 180);
        let nothing = producer.get("external-signals/signals/unknown").await;
        assert_eq!(nothing.status, 404);

        let (_, other) = alpine.app.core.use_cases.producers.create("zeus", false).await.unwrap();
        let other = alpine.app.client().with_key(other.reveal());
        assert_eq!(other.get(location).await.status, 404, "it is none of another producer's");
        assert_eq!(other.get("external-signals/signals").await.expect(200)["total"], 0);

        for route in ["batch", "outcomes"] {
            let path = format!("/api/v1/external-signals/sync/{route}");
            let request = producer.request(reqwest::Method::POST, &path);
            let csv = "signal_id,symbol\nS-1,AAPL\n".repeat(100);
            let request = request.header("content-type", "application/x-ndjson").body(csv);
            let refused = producer.send(request).await;
            assert_eq!(refused.status, 415, "{}", refused.text);
        }
        let wrong = signal.to_json().replace("\"AAPL\"", "\"MSFT\"").replace("a/b", "x");
        let refused = producer.post_text("external-signals/sync/signal", wrong).await.expect(400);
        let told = refused["errors"][0]["message"].as_str().unwrap();
        assert!(told.contains(r#""symbol": "MSFT", "target_price": null"#), "{told}");
        assert!(told.contains(r#"{"action": "BUY", "confidence": 80.5, "entry_price": 175.5"#), "{told}");
    })
    .await;
}

/// What nobody looked at is told, in the answer and in a header, from the cache too.
#[tokio::test]
async fn what_was_asked_for_in_vain_comes_back() {
    Alpine::on_every_back_end(async |alpine| {
        let client = alpine.app.client();
        let ada = client.sign_up("ada@example.com").await;
        let ada = client.with_token(&ada.access_token);
        let symbl =
            "the query parameter symbl is not known here, and was ignored; did you mean symbol?";
        for _round in 0..2 {
            let plain = ada.get("signals/subscribed").await;
            assert!(plain.expect(200).get("warnings").is_none());
            let page = ada.get("signals/subscribed?symbl=AAPL&limit=3").await;
            assert_eq!(page.expect(200)["warnings"], json!([symbl]));
            assert_eq!(page.header("x-warnings"), json!([symbl]).to_string());
            let list = ada.get("signals/latest?symbl=AAPL").await;
            assert_eq!(
                (list.json(), list.header("x-warnings")),
                (json!([]), &*json!([symbl]).to_string())
            );
        }
        let profile = json!({"full_name": "Ada", "tier": "elite"});
        let changed = ada.put("users/profile", &profile).await.expect(200);
        let tier = "the member tier is not known here, and was ignored";
        assert_eq!((&changed["warnings"], &changed["tier"]), (&json!([tier]), &json!("free")));
        let signal = SignalBody::new("S-1", "80").to_json().replacen('{', "{\"stop\": 1, ", 1);
        let stored = alpine.post_as_producer("external-signals/sync/signal", signal).await;
        let stop = "the member stop is not known here, and was ignored";
        assert_eq!(stored.expect(201)["warnings"], json!([stop]));
    })
    .await;
}

/// A refusal says what is wrong with the very credential that was sent.
#[tokio::test]
async fn credentials_in_the_wrong_place_are_told_so() {
    Alpine::on_every_back_end(async |alpine| {
        let client = alpine.app.client();
        let told = |answer: crate::support::Answer| {
            answer.expect(401)["detail"].as_str().unwrap().to_owned()
        };
        let key = client.with_token(&alpine.producer_key);
        assert!(told(key.get("signals/latest").await).contains("send it in X-API-Key"));
        let ada = client.sign_up("ada@example.com").await;
        let token = client.with_key(&ada.access_token);
        let path = "external-signals/signals";
        assert!(told(token.get(path).await).contains("send Authorization: Bearer"));
        assert!(told(token.get("signals/subscribed").await).contains("send Authorization: Bearer"));
    })
    .await;
}

fn signal_of_redis(health: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&health["checks"]["redis"]), text(&health["details"]["redis"]["detail"]))
}

/// Why Redis is not in use is said in the log, on `/health` and in the banner.
#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_why_redis_is_not_used() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let port = server.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    server.command(&["CONFIG", "SET", "requirepass", "right"]).unwrap();
    for (url, why) in [
        (format!("redis://:wrong@127.0.0.1:{port}/0"), "Redis refuses user or password"),
        (format!("rediss://:right@127.0.0.1:{port}/0"), "Redis is not reachable with TLS"),
        ("redis://127.0.0.1:1/0".to_owned(), "Redis is not reachable"),
    ] {
        let alpine = Process::start(&[
            ("REDIS_URL", &url),
            ("ALPINE__LOGGING__FORMAT", "compact"),
            ("ALPINE__RATE_LIMITS__ENABLED", "false"),
        ]);
        let client = Client::new(&format!("http://{}", alpine.address));
        let says = async || {
            let (text, detail) = signal_of_redis(&client.get("/health").await.expect(200));
            (text.contains(why) && detail.starts_with(why)).then_some(())
        };
        Wait::unpromised("a probe finds it out").until_some(why, says).await;
        let logged = async || alpine.log_text().contains(why).then_some(());
        Wait::unpromised("at once, or after two seconds")
            .until_some("a line of the log", logged)
            .await;
        let banner = alpine.output();
        assert!(banner.contains("in memory for now, until"), "{banner}");
        assert!(!banner.contains("wrong") && !alpine.log_text().contains("right@"), "{banner}");
    }
}

/// How a copy is taken while it serves, and how one goes back to it.
enum Copies<'a> {
    /// By `alpine backup` and `alpine restore`.
    Sqlite,
    /// By PostgreSQL's own programs, as `docs/operations.md` says.
    Postgres(PostgresPrograms, &'a TestDatabase),
}

/// Runs a command that has to succeed; what it says.
fn good(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

impl Copies<'_> {
    fn take(&self, alpine: &Process) {
        match self {
            Self::Sqlite => drop(good(&mut alpine.command(&["backup", "copy.db"]))),
            Self::Postgres(programs, database) => drop(good(
                Command::new(&programs.pg_dump)
                    .args(["--format=custom", "--file=copy.dump", database.url()])
                    .current_dir(alpine.folder()),
            )),
        }
    }

    fn go_back(&self, alpine: &Process) {
        match self {
            Self::Sqlite => {
                let text = good(&mut alpine.command(&["restore", "copy.db"]));
                assert!(text.contains("restored 200 signals"), "{text}");
            }
            Self::Postgres(programs, database) => drop(good(
                Command::new(&programs.pg_restore)
                    .args(["--clean", "--if-exists", "--dbname", database.url(), "copy.dump"])
                    .current_dir(alpine.folder()),
            )),
        }
    }
}

/// Copies are taken while it serves; after a kill and going back to one, every answer is what it was, to the byte.
async fn a_copy_gives_the_same_answers(copies: Copies<'_>) {
    let mut settings = vec![("ALPINE__RATE_LIMITS__ENABLED", "false")];
    if let Copies::Postgres(_, database) = &copies {
        settings.push(("DATABASE_URL", database.url()));
    }
    let mut alpine = Process::start(&settings);
    let made = good(&mut alpine.command(&["producer", "create", "bot"]));
    let key = made.split("once: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let push = async |alpine: &Process, from: usize, to: usize| {
        let client = Client::new(&format!("http://{}", alpine.address)).with_key(&key);
        let lines: Vec<_> = (from..to)
            .map(|number| SignalBody::new(&format!("S-{number}"), "70").to_json())
            .collect();
        let stored =
            client.post_text("external-signals/sync/batch", format!("[{}]", lines.join(","))).await;
        assert_eq!(stored.expect(200)["stored"], to - from);
    };
    let answers = async |alpine: &Process| {
        let client = Client::new(&format!("http://{}", alpine.address)).with_key(&key);
        let mut bodies = Vec::new();
        for path in ["external-signals/signals?limit=500", "performance/definitions", "symbols"] {
            bodies.push(client.get(path).await.text);
        }
        bodies
    };
    push(&alpine, 0, 200).await;
    let before = answers(&alpine).await;
    copies.take(&alpine);
    push(&alpine, 200, 300).await;
    assert_ne!(answers(&alpine).await, before);
    alpine.kill();
    copies.go_back(&alpine);
    alpine.start_again();
    assert_eq!(answers(&alpine).await, before);
    push(&alpine, 200, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_a_copy_gives_the_same_answers() {
    a_copy_gives_the_same_answers(Copies::Sqlite).await;
    let Some(database) = TestDatabase::create() else { return };
    let programs = programs::postgres().unwrap();
    a_copy_gives_the_same_answers(Copies::Postgres(programs, &database)).await;
}

/// A disk without room: what is written is refused as unavailable, and readiness says so.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_no_healthy_one() {
    // The limit of a file's size stands for the disk's end; the signal that comes with it is ignored.
    let alpine = Process::start_by("trap '' XFSZ; ulimit -f 8000; exec \"$0\" \"$@\"", &[]);
    let made = alpine.command(&["producer", "create", "bot"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let key = made.split("once: ").nth(1).unwrap().trim().to_owned();
    let client = Client::new(&format!("http://{}", alpine.address)).with_key(&key);
    let mut status = 200;
    for round in 0..200 {
        let lines: Vec<_> = (0..500)
            .map(|number| SignalBody::new(&format!("S-{round}-{number}"), "70").to_json())
            .collect();
        let answer =
            client.post_text("external-signals/sync/batch", format!("[{}]", lines.join(","))).await;
        status = answer.status.as_u16();
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 503, "no room is nobody's fault");
    let says = async || {
        let health = client.get("/health").await;
        let text = health.json()["checks"]["database"].as_str().unwrap_or_default().to_owned();
        (health.status == 503 && text == "unhealthy: the disk of the database has no room")
            .then_some(())
    };
    Wait::promised(
        Duration::from_secs(5),
        std::time::Instant::now(),
        "a report is passed on for a second",
    )
    .until_some("health is red", says)
    .await;
    assert_eq!(client.get("/health/readiness").await.status, 503);
}
