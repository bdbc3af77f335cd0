//! `cargo xtask bench`: what a request costs, measured against the least that it could cost.

mod fixture;
mod hot_path;
mod load;
mod serve;
mod table;

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
    /// `signals/latest` for many users, beside a bare handler that sends the same bytes
    HotPath(hot_path::Arguments),
    /// The server of one variant, until its standard input closes
    #[command(hide = true)]
    Serve(serve::Arguments),
}

/// Whether it ran to its end and every answer was right.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.bench {
        Bench::HotPath(arguments) => hot_path::run(arguments),
        Bench::Serve(arguments) => serve::run(arguments).map(|()| true),
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Variant {
    /// (a) a handler of actix-web that does nothing but send the body
    Bare,
    /// (b) the whole application, answering from its cache
    Cached,
    /// (c) the same, waiting for Redis once in each request
    Redis,
    /// (d) the same as (b) without the cache: each request asks the database
    Uncached,
}

impl Variant {
    const ALL: [Self; 4] = [Self::Bare, Self::Cached, Self::Redis, Self::Uncached];

    const fn label(self) -> &'static str {
        match self {
            Self::Bare => "(a) bare actix-web handler, same bytes",
            Self::Cached => "(b) signals/latest, cached",
            Self::Redis => "(c) as (b) and one Redis round trip",
            Self::Uncached => "(d) as (b) without the cache",
        }
    }

    /// The name under which a child is told of it.
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Cached => "cached",
            Self::Redis => "redis",
            Self::Uncached => "uncached",
        }
    }

    /// Where it answers.
    const fn path(self) -> &'static str {
        match self {
            Self::Bare | Self::Cached => "/api/v1/signals/latest",
            Self::Redis => "/api/v1/bench/redis",
            Self::Uncached => "/api/v1/bench/uncached",
        }
    }
}
