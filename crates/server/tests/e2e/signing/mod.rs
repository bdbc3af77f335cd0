//! `docs/signing.md` is true: each recipe gives the hash that Alpine takes, and the commands are run as they stand there.

/// What stands on the page.
#[expect(
    clippy::format_push_string,
    clippy::struct_field_names,
    reason = "a recipe is short, and names things as the body does"
)]
mod recipe {
    include!("recipe.rs");

    pub(super) fn hash(json: &serde_json::Value) -> String {
        let text = |name: &str| json[name].as_str();
        let number = |name: &str| json[name].as_f64();
        sha256(&Signal {
            action: text("action").unwrap(),
            confidence: number("confidence").unwrap(),
            entry_price: number("entry_price").unwrap(),
            signal_id: text("signal_id").unwrap(),
            stop_price: number("stop_price").or(number("stop_loss")),
            strategy: text("strategy"),
            symbol: text("symbol").unwrap(),
            target_price: number("target_price").or(number("take_profit")),
            timestamp: text("timestamp").unwrap(),
        })
    }
}

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use alpine_domain::signal::sign;

use crate::support::process::Process;

const PAGE: &str = include_str!("../../../../../docs/signing.md");
const RECIPE: &str = include_str!("recipe.rs");

/// Signals as a program holds them, with what is written differently in each language.
const SIGNALS: &str = r#"
{"signal_id": "SIG-1", "symbol": "AAPL", "action": "BUY", "entry_price": 175.5, "confidence": 80, "timestamp": "2025-01-15T10:30:00+00:00"}
{"signal_id": "SIG-\u00e9\u5e01\ud83d\ude80 \"\\/", "symbol": "BTC-USD", "action": "SELL", "entry_price": 100, "take_profit": 99.0, "stop_loss": 101, "confidence": 0.1, "strategy": "s", "timestamp": "2025-01-15T10:30:00Z"}
{"signal_id": "small", "symbol": "PEPE", "action": "BUY", "entry_price": 0.00001, "target_price": 0.0001, "stop_price": 1.5e-7, "confidence": 100, "strategy": null, "timestamp": "2025-01-15T10:30:00Z"}
{"signal_id": "large", "symbol": "X", "action": "BUY", "entry_price": 1e15, "target_price": 1.25e16, "confidence": 33.333333333333336, "timestamp": "2025-01-15T10:30:00Z"}
"#;

fn signals() -> impl Iterator<Item = &'static str> {
    SIGNALS.lines().filter(|line| !line.is_empty())
}

fn expected() -> Vec<String> {
    let now = alpine_domain::Timestamp::parse_rfc3339("2025-02-01T00:00:00Z").unwrap();
    signals().map(|line| sign(line.as_bytes(), now).unwrap().hash.to_string()).collect()
}

/// The blocks of one language, in their order.
fn blocks(language: &str) -> String {
    let begin = format!("```{language}\n");
    let blocks = PAGE.split(&begin).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect::<Vec<_>>().join("\n")
}

/// What a program prints for the signals; `None` where the machine lacks its language.
fn printed(program: &str, arguments: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("left out: there is no {program}");
        return None;
    };
    child.stdin.take().unwrap().write_all(SIGNALS.trim().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn python_gives_the_hash() {
    let driver = "import sys\nfor line in sys.stdin: print(sign(json.loads(line))['sha256'])";
    let program = format!("{}\n{driver}", blocks("python"));
    if let Some(hashes) = printed("python3", &["-c", &program]) {
        assert_eq!(hashes, expected());
    }
}

#[test]
fn javascript_gives_the_hash() {
    let driver = "for (const line of require('fs').readFileSync(0, 'utf8').split('\\n')) console.log(sign(JSON.parse(line)).sha256);";
    let program = format!("{}\n{driver}", blocks("javascript"));
    if let Some(hashes) = printed("node", &["-e", &program]) {
        assert_eq!(hashes, expected());
    }
}

#[test]
fn rust_gives_the_hash() {
    assert_eq!(blocks("rust"), RECIPE, "the page has what is compiled here");
    let hash = |line: &str| recipe::hash(&serde_json::from_str(line).unwrap());
    assert_eq!(signals().map(hash).collect::<Vec<_>>(), expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_about_signing_works() {
    let alpine = Process::start(&[]);
    let program = Path::new(env!("CARGO_BIN_EXE_alpine")).parent().unwrap();
    let make = alpine.command(&["producer", "create", "bot"]).output().unwrap();
    let made = String::from_utf8(make.stdout).unwrap();
    let key = made.split("once: ").nth(1).expect("a key").trim().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        Command::new("bash")
            .args(["-euxo", "pipefail", "-c", &blocks("sh")])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("ALPINE", format!("http://{}", alpine.address))
            .env("ALPINE_KEY", key)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = tokio::task::block_in_place(run);
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
    for words in [
        r#""status":"success""#,
        "duplicate-signal",
        r#""result":"closed""#,
        r#""signal_id":"SIG-1""#,
        r#""duplicates":1"#,
        r#""total":1"#,
        "0 stored, 1 duplicates",
    ] {
        assert!(told[0].contains(words), "{words} is missing in:\n{}", told[0]);
    }
    assert!(!told[0].contains("warnings"), "{}", told[0]);
}
