//! `cargo xtask bench`: what a request costs, measured against the least that it could cost.

mod analytics;
mod export;
mod hot_path;
mod leak;
mod load;
mod ranks;
mod record;
mod serve;
mod sign_in;
mod table;
mod times;
mod variant;

use anyhow::Result;
use clap::Subcommand;

/// Measures what the project promises of its speed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The figures of administrators at the database, beside counting everything
    Analytics(analytics::Arguments),
    /// How fast a file of signals is written
    Export(export::Arguments),
    /// `signals/latest` for many users, beside a bare handler that sends the same bytes
    HotPath(hot_path::Arguments),
    /// Whether the time of an answer tells a late reader of what is hidden
    Leak(leak::Arguments),
    /// The routes of the record, uncached, at several sizes
    Record(record::Arguments),
    /// Whether the time of a refused log-in tells why it was refused
    SignInTiming(sign_in::Arguments),
    /// The server of one variant, until its standard input closes
    #[command(hide = true)]
    Serve(serve::Arguments),
}

/// Whether it ran to its end and every answer was right.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.bench {
        Bench::Analytics(arguments) => analytics::run(arguments),
        Bench::Export(arguments) => export::run(arguments),
        Bench::HotPath(arguments) => hot_path::run(arguments),
        Bench::Leak(arguments) => leak::run(arguments),
        Bench::Record(arguments) => record::run(arguments),
        Bench::SignInTiming(arguments) => sign_in::run(arguments),
        Bench::Serve(arguments) => serve::run(arguments).map(|()| true),
    }
}
