//! `cargo xtask assure`: programs that others wrote look at the whole API, from its own description.

mod programs;
mod trial;
mod world;

use std::{path::Path, process::Command};

use alpine_testing::servers::{Memory, Postgres, Redis};
use anyhow::{Context as _, Result};

use programs::Programs;
use trial::Trial;
use world::World;

/// Tries every operation with Schemathesis, as a user and as an administrator, on SQLite and on PostgreSQL with
/// Redis; lints the description with Spectral and OWASP's rules; checks the metrics with promtool.
///
/// Installs the three into target/tools on its first run. What they are told stands in the folder `assure`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each of the four trials lasts, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only install the three programs
    #[arg(long)]
    install_only: bool,
}

/// Whether all three find nothing, and the trials reach what they should.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let programs = Programs::installed()?;
    if arguments.install_only {
        return Ok(true);
    }
    let redis = Redis::start(Memory::Lost)?;
    let postgres = Postgres::start()?;
    let worlds = [World::on_sqlite()?, World::on_postgres(&postgres, &redis)?];
    let mut is_good = lint(&programs, &worlds[0])?;
    let mut trial = Trial::new(&programs, arguments.seconds, arguments.seed);
    for world in &worlds {
        for account in world.accounts() {
            is_good &= trial.run(world, account)?;
        }
        is_good &= check_metrics(&programs, world)?;
    }
    is_good &= trial.reached_enough();
    println!(
        "{}",
        if is_good { "assured: nothing was found" } else { "something was found, see above" }
    );
    Ok(is_good)
}

fn lint(programs: &Programs, world: &World) -> Result<bool> {
    let file = world.folder().join("openapi.json");
    std::fs::write(&file, world.get("/openapi.json")?)?;
    println!("linting the description");
    succeeds(programs.spectral(&file)?)
}

fn check_metrics(programs: &Programs, world: &World) -> Result<bool> {
    let file = world.folder().join("metrics");
    std::fs::write(&file, world.get("/metrics")?)?;
    println!("checking the metrics of {}", world.name);
    let mut promtool = programs.promtool();
    promtool.stdin(std::fs::File::open(&file)?);
    succeeds(promtool)
}

/// Runs a program on this terminal.
fn succeeds(mut command: Command) -> Result<bool> {
    let name = Path::new(command.get_program()).display().to_string();
    Ok(command.status().with_context(|| format!("cannot start {name}"))?.success())
}
