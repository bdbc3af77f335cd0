//! What every variant is measured on: one database with signals and users who are signed in.

use std::path::{Path, PathBuf};

use alpine_server::{
    application::{Core, Ports},
    config::{Config, Sources, load},
};
use anyhow::{Context as _, Result, ensure};
use prometheus::Registry;
use serde::{Deserialize, Serialize};

/// Signs the tokens of the benchmark and nothing else.
const SECRET: &str = "b0f1c2d3e4a5968778695a4b3c2d1e0f00112233";
/// Real signals of a producer, to the letter.
const SIGNALS: &str = "crates/domain/tests/data/argo-signals.jsonl";
pub(crate) const SIGNALS_STORED: usize = 200;
/// Far above what a benchmark sends: limits are counted, but refuse nobody.
const NO_LIMIT: i64 = 4_000_000_000;

/// What a server of any variant needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fixture {
    /// The access tokens of distinct users of one tier.
    pub(crate) tokens: Vec<String>,
}

/// The folder of one variant, in a folder of the whole run.
pub(crate) fn folder(run: &Path, variant: &str) -> PathBuf {
    run.join(variant)
}

/// Settings of the variants that run the application. Defaults, but for what says otherwise.
pub(crate) fn config(folder: &Path, workers: usize) -> Result<Config> {
    let text = |text: &str| toml::Value::from(text);
    let mut arguments = vec![
        ("profile", text("production")),
        ("secrets.jwt", text(SECRET)),
        ("data_dir", text(&folder.display().to_string())),
        ("http.bind", text("127.0.0.1:0")),
        ("http.workers", toml::Value::from(i64::try_from(workers)?)),
        ("shutdown.drain", text("0s")),
        ("accounts.signup_tier", text("elite")),
        // The passwords of the benchmark are nobody's.
        ("passwords.memory_kib", toml::Value::from(19_456)),
        ("passwords.iterations", toml::Value::from(2)),
        ("accounts.access_ttl", text("2h")),
        ("logging.format", text("json")),
        // The benchmark asks each server how many log lines were lost.
        ("metrics.bind", text("main")),
    ];
    for key in [
        "rate_limits.elite.per_minute",
        "rate_limits.elite.per_hour",
        "rate_limits.address.per_minute",
        "rate_limits.anonymous.per_minute",
        "rate_limits.anonymous.per_hour",
    ] {
        arguments.push((key, toml::Value::from(NO_LIMIT)));
    }
    let arguments = arguments.into_iter().map(|(key, value)| (key, value, "bench")).collect();
    Ok(load(&Sources { arguments, ..Sources::default() })?.config)
}

/// Stores signals and signs users in; says their tokens.
pub(crate) fn prepare(folder: &Path, users: usize) -> Result<Fixture> {
    std::fs::create_dir_all(folder)?;
    let config = config(folder, 1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let fixture = runtime.block_on(async {
        let core = Core::wire(&config, &Ports::default(), &Registry::new())?;
        core.prepare_schema(&config).await?;
        store_signals(&core).await?;
        let mut tokens = Vec::with_capacity(users);
        for number in 0..users {
            let email = format!("user-{number}@example.com");
            let password = format!("only for measuring {number} A1!");
            let signed_in = core.use_cases.accounts.sign_up(&email, &password, "Somebody").await?;
            tokens.push(signed_in.access_token.reveal().to_owned());
        }
        anyhow::Ok(Fixture { tokens })
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(fixture)
}

/// The bodies of signals that there are to be stored, all of them.
pub(crate) fn signals() -> Result<Vec<String>> {
    let path = crate::workspace::root().join(SIGNALS);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

async fn store_signals(core: &Core) -> Result<()> {
    let batch: Vec<String> = signals()?.into_iter().take(SIGNALS_STORED).collect();
    let (producer, _) = core.use_cases.producers.create("bench", false).await?;
    let results =
        core.use_cases.intake.submit_batch(&producer, batch.join("\n").as_bytes(), 65_536).await?;
    ensure!(results.len() == SIGNALS_STORED, "only {} signals were taken", results.len());
    Ok(())
}

/// The same database for another variant.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
