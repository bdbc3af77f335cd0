//! The figures of the record, computed by pandas and quantstats from an export.

use std::{fs, path::Path};

use alpine_domain::{Clock as _, time::SystemClock};
use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Client;

use super::{
    programs::{Programs, succeeds},
    world::World,
};
use crate::{
    instance::PRODUCER_KEY,
    seed::{self, Sizes},
};

/// Signals that are made up.
const GENERATED: i64 = 10_000;

/// Whether quantstats agrees on real signals and on made-up ones.
pub(super) fn figures(programs: &Programs) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("generated.db");
    let url = format!("sqlite:{}", place.display());
    seed::make(&url, Sizes { signals: GENERATED, until: SystemClock.now() })?;
    let generated = World::with(
        "generated signals",
        &[("ALPINE__PROFILE", "development".to_owned()), ("DATABASE_URL", url)],
    )?;
    // They are of many years and arrive now: all of them are history.
    let real = World::with("real signals", &[("ALPINE__PROFILE", "development".to_owned())])?;
    submit(&real)?;
    let mut is_good = true;
    for (world, record) in [(&generated, "live"), (&generated, "all"), (&real, "all")] {
        println!("comparing the figures of {} ({record}) with quantstats", world.name);
        is_good &= compare(programs, world, record, folder.path())?;
    }
    Ok(is_good)
}

/// Hands in the real signals, and how they ended.
fn submit(world: &World) -> Result<()> {
    let data = crate::workspace::root().join("crates/domain/tests/data");
    let post = |path: &str, body: String| {
        let request =
            Client::new().post(format!("{}/api/v1/external-signals/{path}", world.base()));
        let request = request.header("X-API-Key", PRODUCER_KEY);
        let kind =
            if path.ends_with("batch") { "application/x-ndjson" } else { "application/json" };
        let answer = request.header("Content-Type", kind).body(body).send()?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.text()?);
        Ok(())
    };
    post("sync/batch", fs::read_to_string(data.join("argo-signals.jsonl"))?)?;
    for outcome in fs::read_to_string(data.join("argo-outcomes.jsonl"))?.lines() {
        post("sync/outcome", outcome.to_owned())?;
    }
    Ok(())
}

/// Exports everything, asks for the figures, and has them compared.
fn compare(programs: &Programs, world: &World, record: &str, folder: &Path) -> Result<bool> {
    let administrator = world.accounts().last().context("no administrator")?;
    let get = |path: &str| -> Result<String> {
        let request = Client::new().get(format!("{}/api/v1/{path}", world.base()));
        let request = request.header("X-API-Key", administrator.api_key());
        Ok(request.send()?.error_for_status()?.text()?)
    };
    let (file, answer) = (folder.join("export.csv"), folder.join("answer.json"));
    fs::write(&file, get("signals/export?format=csv&since=2000-01-01T00:00:00Z")?)?;
    fs::write(&answer, get(&format!("performance/stats?record={record}"))?)?;
    succeeds(programs.figures(&file, &answer))
}
