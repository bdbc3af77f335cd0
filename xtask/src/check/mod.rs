//! `cargo xtask check`: what the project promises of itself, one line a promise.

mod dependencies;
mod layers;
mod migration_names;
mod modules;
mod tools;
mod unused;

use std::time::Instant;

use anyhow::Result;

/// Proves format, lints, documentation, layers, dependencies, migrations and the API's description.
///
/// Runs every check, also after one failed, and ends with a summary. Starts a PostgreSQL of its own
/// for the migrations, as `cargo xtask test` does.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these checks, by name
    #[arg(value_name = "CHECK", value_parser = names())]
    only: Vec<String>,
}

/// A check says what was found: a remark worth showing, or why the promise does not hold.
type Check = fn() -> Result<String>;

const CHECKS: &[(&str, Check)] = &[
    ("format", tools::format),
    ("layers", layers::check),
    ("modules", modules::check),
    ("dependencies", dependencies::check),
    ("unused", unused::check),
    ("numbers", migration_names::check),
    ("deny", tools::deny),
    ("mutants", crate::mutants::check),
    ("clippy", tools::clippy),
    ("docs", tools::docs),
    ("openapi", tools::openapi),
    ("migrations", tools::migrations),
    ("explain", tools::explain),
    ("fuzz", crate::fuzz::check),
];

fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|(name, _)| *name).collect()
}

/// Whether every check passed.
pub(crate) fn run(arguments: &Arguments) -> bool {
    let chosen = CHECKS.iter().filter(|(name, _)| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only == name)
    });
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, check) in chosen {
        let started = Instant::now();
        let result = check();
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(remark) => {
                passed += 1;
                println!("✓ {name:<13} {seconds:>6.1} s  {remark}");
            }
            Err(error) => {
                failed.push(*name);
                println!("✗ {name:<13} {seconds:>6.1} s");
                for line in format!("{error:#}").lines() {
                    println!("    {line}");
                }
            }
        }
    }
    if failed.is_empty() {
        println!("{passed} checks passed");
    } else {
        println!("{passed} checks passed, {} failed: {}", failed.len(), failed.join(", "));
    }
    failed.is_empty()
}
