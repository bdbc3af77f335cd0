//! Every operation, tried by Schemathesis, and which of them it got something done with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    programs::Programs,
    world::{Account, World},
};

/// Of all operations that are tried, so many in a hundred must have done what they were asked for, in one of
/// the trials at least.
const REACHED_PERCENT: usize = 90;

/// Trials that have something in common.
pub(super) struct Trial<'a> {
    programs: &'a Programs,
    seconds: u64,
    seed: u64,
    tried: BTreeSet<String>,
    reached: BTreeSet<String>,
}

/// What the report says, as far as it is used.
#[derive(Deserialize)]
struct Report {
    /// By operation and by phase, what became of requests that were valid by the description.
    valid_rates: BTreeMap<String, BTreeMap<String, Counts>>,
}

#[derive(Deserialize)]
struct Counts {
    accepted: u64,
}

impl<'a> Trial<'a> {
    pub(super) const fn new(programs: &'a Programs, seconds: u64, seed: u64) -> Self {
        Self { programs, seconds, seed, tried: BTreeSet::new(), reached: BTreeSet::new() }
    }

    /// Whether nothing was found with this account.
    pub(super) fn run(&mut self, world: &World, account: &Account) -> Result<bool> {
        println!("trying every operation on {} as {}", world.name, account.name);
        let report = world.folder().join("report.json");
        let mut command = self.programs.schemathesis();
        command
            .current_dir(world.folder())
            .envs(account.environment())
            .env("ALPINE_BASE", world.base())
            .env("ALPINE_OUTBOX", world.folder().join("outbox"))
            .arg("run")
            .arg(format!("{}/openapi.json", world.base()))
            .args(["--mode", "all", "--phases", "examples,coverage,fuzzing,stateful", "--no-color"])
            .args(["--max-time", &self.seconds.to_string(), "--seed", &self.seed.to_string()])
            .args(["--report", "json", "--report-json-path"])
            .arg(&report);
        let output = command.output().context("cannot start Schemathesis")?;
        if !output.status.success() {
            println!("{}", String::from_utf8_lossy(&output.stdout));
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
        self.note(&report)?;
        Ok(output.status.success())
    }

    fn note(&mut self, report: &Path) -> Result<()> {
        let text = fs::read(report).context("Schemathesis left no report")?;
        let report: Report = serde_json::from_slice(&text).context("the report of Schemathesis")?;
        for (operation, phases) in report.valid_rates {
            if phases.values().any(|counts| counts.accepted > 0) {
                self.reached.insert(operation.clone());
            }
            self.tried.insert(operation);
        }
        Ok(())
    }

    /// Whether enough operations did what they were asked for; names the others.
    pub(super) fn reached_enough(&self) -> bool {
        let (reached, tried) = (self.reached.len(), self.tried.len());
        println!("{reached} of {tried} operations did what they were asked for");
        for missed in self.tried.difference(&self.reached) {
            println!("  not {missed}");
        }
        tried > 0 && reached * 100 >= tried * REACHED_PERCENT
    }
}
