//! `docs/operations.md` is true: its commands are run as they stand there, from the first to the last.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::stripe::fake::{FakeStripe, KEY, WEBHOOK_SECRET};

const PAGE: &str = include_str!("../../../../docs/operations.md");

/// What stands above a block that is not run, and then why.
const NOT_RUN: &str = "<!-- not run: ";

/// A block of commands, and why it is not run, if it is not.
struct Block {
    commands: &'static str,
    not_run: Option<&'static str>,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    for part in PAGE.split("```sh\n") {
        if let Some((commands, after)) = part.split_once("```") {
            let above = before.trim_end().lines().last().unwrap_or_default();
            let not_run = above.strip_prefix(NOT_RUN).and_then(|why| why.strip_suffix(" -->"));
            blocks.push(Block { commands, not_run });
            before = after;
        } else {
            before = part;
        }
    }
    blocks
}

/// Somebody else could take it before the program does; ports are given out in turn, so it is unlikely.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A folder of programs: `xdg-open` notes the page that it is to open.
fn programs(folder: &Path) -> PathBuf {
    let programs = folder.join("bin");
    std::fs::create_dir(&programs).unwrap();
    let browser = programs.join("xdg-open");
    let opened = folder.join("opened");
    let script = format!(
        "#!/bin/sh\necho \"$1\" > {0}\nwhile [ -e {0} ]; do sleep 0.05; done\n",
        opened.display()
    );
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    programs
}

/// The customer pays on the page that is opened.
async fn pays(stripe: FakeStripe, opened: PathBuf) {
    while !opened.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let session = stripe.books().objects["checkout/sessions"][0].clone();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let page = std::fs::read_to_string(&opened).unwrap();
    assert_eq!(session["url"], Value::from(page.trim()), "the page that the customer is led to");
    stripe.pay(session["customer"].as_str().unwrap(), i64::try_from(now.as_secs()).unwrap(), 30);
    // Which closes the browser.
    std::fs::remove_file(opened).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_about_operating_works() {
    let stripe = FakeStripe::start();
    let folder = tempfile::tempdir().unwrap();
    let programs = programs(folder.path());
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let run: Vec<_> = { blocks().into_iter() }
        .filter(|block| block.not_run.is_none())
        .map(|block| block.commands)
        .collect();
    let alpine = Path::new(env!("CARGO_BIN_EXE_alpine")).parent().unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", programs.display(), alpine.display());
    let (api, metrics) = (free_address(), free_address());
    let mut bash = Command::new("bash");
    // What was started ends with the shell, whatever becomes of it.
    let script =
        format!("trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nset -x\n{}", run.join("\n"));
    bash.args(["-euo", "pipefail", "-c", &script])
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("PS4", "+ after $SECONDS s: ")
        .env("ALPINE__HTTP__BIND", &api)
        .env("ALPINE__METRICS__BIND", &metrics)
        .env("ALPINE", format!("http://{api}"))
        .env("METRICS", format!("http://{metrics}"))
        .env("ALPINE__SHUTDOWN__DRAIN", "0s")
        // What another process adds is looked for so often.
        .env("ALPINE__JOBS__INTERVAL", "500ms")
        .env("ALPINE__BILLING__STRIPE_URL", &stripe.url)
        .env("STRIPE_SECRET_KEY", KEY)
        .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("STRIPE_STARTER_PRICE_ID", "price_starter")
        .env("STRIPE_PRO_PRICE_ID", "price_pro")
        .env("STRIPE_ELITE_PRICE_ID", "price_elite")
        .current_dir(&work);
    let payer = tokio::spawn(pays(stripe.clone(), folder.path().join("opened")));
    let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let log = std::fs::read_to_string(work.join("alpine.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{}\n{log}", told[0], told[1]);
    payer.await.unwrap();
    assert!(told[0].contains(r#""provider":"stripe""#), "{}", told[0]);
    assert!(told[0].contains(r#""mrr":99.0"#), "the figures know who paid: {}", told[0]);
    stripe.expect_faultless();
}

/// Whatever is not run is listed here with its reason.
#[test]
fn what_is_not_run_says_why() {
    let blocks = blocks();
    let reasons: Vec<_> = blocks.iter().filter_map(|block| block.not_run).collect();
    assert_eq!(
        reasons,
        ["the copy is PostgreSQL's own business, and its server is not this machine"]
    );
    assert!(blocks.len() > 15, "{}", blocks.len());
    assert_eq!(PAGE.matches("```").count(), 2 * blocks.len(), "blocks of another kind");
}
