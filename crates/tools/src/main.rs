//! The chores of `cargo xtask` that need the application. They are a crate of their own, so that
//! `cargo xtask test` and the checks of source text start without compiling it.

mod age;
mod assure;
mod bench;
mod explain;
mod fixture;
mod instance;
mod loader;
mod migrate;
mod seed;
mod soak;
mod stage;
mod uncached;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Project chores of Alpine",
    version
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Move the database's schema forward or back
    Migrate(migrate::Arguments),
    /// Replay a file of signals or outcomes through the API of a running server
    Feed(alpine_server::cli::FeedArgs),
    /// Fill an empty database with signals of two years
    Seed(seed::Arguments),
    /// Measure what a request costs
    Bench(bench::Arguments),
    /// Compare what operations cost after two years with what they cost in a young database
    Age(age::Arguments),
    /// Look at the plan of every statement that hot requests send
    Explain(explain::Arguments),
    /// Mixed traffic with clients that break off, and a look at what is left
    Soak(soak::Arguments),
    /// Try the whole API by what is said of it, lint the description, and check the metrics
    Assure(assure::Arguments),
    /// The program itself, with the settings of the environment: what chores start
    #[command(hide = true)]
    Alpine(instance::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Migrate(arguments) => migrate::run(&arguments),
        Chore::Feed(arguments) => alpine_server::commands::feed(&arguments).map(|()| true),
        Chore::Seed(arguments) => seed::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Age(arguments) => age::run(&arguments),
        Chore::Explain(arguments) => explain::run(&arguments),
        Chore::Soak(arguments) => soak::run(&arguments),
        Chore::Assure(arguments) => assure::run(&arguments),
        Chore::Alpine(arguments) => instance::run(arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        // The chore itself has said what did not hold.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
