//! `cargo xtask assure`: programs that others wrote look at the whole API, from its own description.

mod figures;
mod payments;
mod programs;
mod trial;
mod world;

use alpine_testing::servers::{Memory, Postgres, Redis};
use anyhow::{Context as _, Result};

use payments::Payments;
use programs::{Programs, succeeds};
use trial::Trial;
use world::World;

/// Tries every operation with Schemathesis, as a user and as an administrator, on SQLite and on PostgreSQL with
/// Redis; makes a client of the description with openapi-python-client and goes a subscriber's way with it, on both;
/// lints the description with Spectral and OWASP's rules; checks the metrics with promtool; compares the figures of the
/// record with those of quantstats.
///
/// Installs the five into target/tools on its first run. What they are told stands in the folder `assure`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each of the four trials lasts, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only install the programs
    #[arg(long)]
    install_only: bool,
    /// Only make the client and go its way
    #[arg(long)]
    client_only: bool,
    /// Only compare the figures of the record with those of quantstats
    #[arg(long)]
    figures_only: bool,
}

/// Whether none finds anything, and the trials reach what they should.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let programs = Programs::installed()?;
    if arguments.install_only {
        return Ok(true);
    }
    let is_told = arguments.client_only || figures::figures(&programs)?;
    if arguments.figures_only {
        return Ok(is_told);
    }
    let redis = Redis::start(Memory::Lost)?;
    let postgres = Postgres::start()?;
    let is_made = is_told & client(&programs, &postgres, &redis)?;
    if arguments.client_only {
        return Ok(is_made);
    }
    let worlds = [World::on_sqlite()?, World::on_postgres(&postgres, &redis)?];
    let mut is_good = is_made & lint(&programs, &worlds[0])?;
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

/// Whether what is made of the description compiles, lacks no operation, and does on both back ends what a subscriber
/// needs.
fn client(programs: &Programs, postgres: &Postgres, redis: &Redis) -> Result<bool> {
    let mut is_good = true;
    for payments in [Payments::on_sqlite()?, Payments::on_postgres(postgres, redis)?] {
        let folder = payments.folder().join("client");
        let file = payments.folder().join("openapi.json");
        std::fs::write(&file, payments.description()?)?;
        println!("going a subscriber's way by a generated client on {}", payments.name);
        let made =
            programs.generator(&file, &folder).output().context("cannot start the generator")?;
        let told =
            [made.stdout, made.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        if !made.status.success() || !left_out(&told.concat()).is_empty() {
            println!("{}", told.concat());
            return Ok(false);
        }
        let mut journey = programs.journey(&file, &folder);
        journey.envs(payments.environment());
        is_good &= succeeds(journey)?;
    }
    Ok(is_good)
}

/// What the generator says that it left out, but for lines of signals or outcomes as the body of a batch, of which it
/// knows the array alone.
fn left_out(told: &str) -> Vec<&str> {
    const KNOWN: [&str; 2] = [
        "WARNING parsing POST /api/v1/external-signals/sync/batch within producers.",
        "WARNING parsing POST /api/v1/external-signals/sync/outcomes within producers.",
    ];
    let lines = told.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("WARNING ") || line.starts_with("ERROR "))
        .filter(|line| !KNOWN.contains(line))
        .collect()
}

fn check_metrics(programs: &Programs, world: &World) -> Result<bool> {
    let file = world.folder().join("metrics");
    std::fs::write(&file, world.get("/metrics")?)?;
    println!("checking the metrics of {}", world.name);
    let mut promtool = programs.promtool();
    promtool.stdin(std::fs::File::open(&file)?);
    succeeds(promtool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_generator_leaves_out_is_told_but_for_what_is_known() {
        let known = "WARNING parsing POST /api/v1/external-signals/sync/batch within producers.";
        assert!(left_out(&format!("Generating client\n\n{known}\n")).is_empty());
        let another = "WARNING parsing GET /api/v1/signals/latest within signals.";
        assert_eq!(left_out(&format!("{known}\n  {another}")), [another]);
    }
}
