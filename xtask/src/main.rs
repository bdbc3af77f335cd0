//! Project chores behind `cargo xtask`; `cargo xtask help` lists them.
//!
//! This crate must not depend on the application: whoever runs the tests would compile it twice. What
//! needs it is the crate `alpine-tools`, which the chores call through cargo, or is a test.

mod check;
mod fuzz;
mod mutants;
mod servers;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project chores of Alpine", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every test on a throw-away PostgreSQL and Redis of its own
    Test(test::Arguments),
    /// Prove what the project promises of itself: format, lints, docs, layers, dependencies,
    /// migrations, `OpenAPI`
    Check(check::Arguments),
    /// Switch one mechanism off at a time and show that the tests named after it notice
    Mutants(mutants::Arguments),
    /// Run what parses against laws, with inputs made for it
    Fuzz(fuzz::Arguments),
    /// Move the database's schema forward or back
    Migrate(tools::Arguments),
    /// Replay a file of signals or outcomes through the API of a running server
    Feed(tools::Arguments),
    /// Fill an empty database with signals of two years
    Seed(tools::Arguments),
    /// Measure what a request costs
    Bench(tools::Arguments),
    /// Compare what operations cost after two years with what they cost in a young database
    Age(tools::Arguments),
    /// Look at the plan of every statement that hot requests send
    Explain(tools::Arguments),
    /// Mixed traffic with clients that break off, and a look at what is left
    Soak(tools::Arguments),
    /// Try the whole API by what is said of it, lint the description, and check the metrics
    Assure(tools::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = fuzz::rustc::stand_in() {
        return code;
    }
    let result = match Arguments::parse().chore {
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Check(arguments) => Ok(check::run(&arguments)),
        Chore::Mutants(arguments) => mutants::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Migrate(arguments) => tools::run("migrate", &arguments),
        Chore::Feed(arguments) => tools::run("feed", &arguments),
        Chore::Seed(arguments) => tools::run("seed", &arguments),
        Chore::Bench(arguments) => tools::run("bench", &arguments),
        Chore::Age(arguments) => tools::run("age", &arguments),
        Chore::Explain(arguments) => tools::run("explain", &arguments),
        Chore::Soak(arguments) => tools::run("soak", &arguments),
        Chore::Assure(arguments) => tools::run("assure", &arguments),
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
