//! `cargo xtask bench analytics`: what the figures of administrators cost at the database, beside counting everything.

mod plain;
mod rows;

use std::{
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::Result as DomainResult;
use alpine_persistence::{AnyConnection, Failure};
use alpine_server::application::{Core, Ports};
use alpine_testing::servers::Postgres;
use anyhow::{Result, ensure};
use prometheus::Registry;

use self::{
    plain::Begins,
    rows::{Sizes, fill},
};
use super::times::{judged, machine, sorted, tenth};
use crate::{fixture, loader::Loader};

/// What the figures may cost.
const BOUND: Duration = Duration::from_millis(2);
/// Rounds that are not measured: connections are opened, caches of the system filled.
const WARM_UP: u32 = 2;
/// How often a round asks for what is served, between the others.
const SERVED: u32 = 5;

/// What the figures of administrators cost at the database.
///
/// Fills throw-away databases with two years of signals, users, subscriptions and invoices, and asks each in turn for
/// the figures and for the same by counting everything. All of it goes the same way, without the cache. Fails when
/// figures are not what counting gives, or when one takes two milliseconds or more by the median.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Signals
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1_000..=20_000_000))]
    signals: i64,
    /// Users, of whom three in ten pay
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(i64).range(100..=5_000_000))]
    users: i64,
    /// Rounds; each counts everything once, and asks five times for what is served
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(5..=1_000))]
    rounds: u32,
    /// Measure with this build, whatever its profile is; without it, with one of the profile release
    #[arg(long)]
    as_built: bool,
}

/// A way to figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Analytics,
    Aggregate,
    Counts,
    Revenue,
    RevenueAggregate,
}

impl Way {
    const ALL: [Self; 5] =
        [Self::Analytics, Self::Aggregate, Self::Counts, Self::Revenue, Self::RevenueAggregate];

    const fn label(self) -> &'static str {
        match self {
            Self::Analytics => "`admin/analytics`",
            Self::Aggregate => "the same by one aggregate",
            Self::Counts => "eight of them by eight counts",
            Self::Revenue => "`admin/revenue`",
            Self::RevenueAggregate => "that by one aggregate",
        }
    }

    /// Whether it is what is served.
    const fn is_served(self) -> bool {
        matches!(self, Self::Analytics | Self::Revenue)
    }

    /// How often a round asks it.
    const fn times(self) -> u32 {
        if self.is_served() { SERVED } else { 1 }
    }
}

/// Whether every figure is right and soon there.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("release");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let mut holds = true;
    println!(
        "{} signals, {} users, {} rounds",
        arguments.signals, arguments.users, arguments.rounds
    );
    println!("{}", machine());
    holds &= runtime.block_on(measure(arguments, "SQLite", &folder.path().join("sqlite"), None))?;
    let postgres = Postgres::start()?;
    postgres.execute("CREATE DATABASE analytics")?;
    let url = format!("postgres://postgres@127.0.0.1:{}/analytics", postgres.port());
    let folder = folder.path().join("postgres");
    holds &= runtime.block_on(measure(arguments, "PostgreSQL", &folder, Some(url)))?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(holds)
}

/// Fills one database and measures on it.
async fn measure(
    arguments: &Arguments,
    name: &str,
    folder: &Path,
    url: Option<String>,
) -> Result<bool> {
    std::fs::create_dir_all(folder)?;
    let mut config = fixture::config(folder, 1)?;
    config.database.url = url.unwrap_or_default();
    let core = Arc::new(Core::wire(&config, &Ports::default(), &Registry::new())?);
    core.prepare_schema(&config).await?;
    core.use_cases.producers.create("bench", false).await?;
    let (now, started) = (core.ports.clock.now(), Instant::now());
    let database = config.database_url().reveal().to_owned();
    let sizes = Sizes { signals: arguments.signals, users: arguments.users };
    let filled =
        tokio::task::spawn_blocking(move || fill(&mut Loader::connect(&database)?, sizes, now));
    filled.await??;
    let filled = started.elapsed();
    core.use_cases.analytics.recount(true).await?;
    let counted = started.elapsed().saturating_sub(filled);
    println!("\n{name}: filled in {filled:.1?}, `alpine rollups rebuild` took {counted:.1?}");

    agree(&core).await?;
    let times = rounds(&core, arguments.rounds).await?;
    agree(&core).await?;
    print!("{}", table(&times));
    let (judged, of) = judged();
    let late = |way: &Way| way.is_served() && tenth(&sorted(&times[*way as usize]), of) >= BOUND;
    let late: Vec<_> = Way::ALL.into_iter().filter(late).collect();
    for way in &late {
        println!("FAILS: {} takes {BOUND:?} or more, by the {judged}", way.label());
    }
    Ok(late.is_empty())
}

/// # Errors
/// When figures are not what counting gives.
async fn agree(core: &Core) -> Result<()> {
    let figures = core.use_cases.analytics.figures().await?;
    let begins = Begins::of(figures.at);
    let plain = read(core, move |conn| plain::aggregate(conn, begins)).await?.figures();
    let said = plain::of_figures(&figures);
    ensure!(said == plain, "analytics says {said:?}, the aggregate {plain:?}");
    ensure!(
        said.iter().filter(|figure| **figure > 0).count() >= 8,
        "too little was counted: {said:?}"
    );
    let (counts, said) = (
        read(core, move |conn| plain::eight_counts(conn, begins)).await?,
        plain::of_counts(&figures),
    );
    ensure!(said == counts, "analytics says {said:?}, the counts {counts:?}");
    let revenue = core.use_cases.analytics.revenue().await?;
    let begins = Begins::of(revenue.at);
    let plain = read(core, move |conn| plain::revenue(conn, begins)).await?.figures();
    let said = plain::of_revenue(&revenue);
    ensure!(said == plain, "revenue says {said:?}, the aggregate {plain:?}");
    Ok(())
}

/// The times of each way, in the order of [`Way::ALL`].
async fn rounds(core: &Core, rounds: u32) -> Result<[Vec<Duration>; 5]> {
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..WARM_UP + rounds {
        let mut ways = Way::ALL;
        // None always comes first, or behind the same one.
        ways.rotate_left(round as usize % Way::ALL.len());
        if round % 2 == 1 {
            ways.reverse();
        }
        for way in ways.into_iter().flat_map(|way| (0..way.times()).map(move |_| way)) {
            let took = ask(core, way).await?;
            if round >= WARM_UP {
                times[way as usize].push(took);
            }
        }
    }
    Ok(times)
}

/// How long one way takes, from the call of the use case, or of the database, to its result.
async fn ask(core: &Core, way: Way) -> Result<Duration> {
    let begins = Begins::of(core.ports.clock.now());
    let started = Instant::now();
    match way {
        Way::Analytics => drop(core.use_cases.analytics.figures().await?),
        Way::Revenue => drop(core.use_cases.analytics.revenue().await?),
        Way::Aggregate => {
            read(core, move |conn| plain::aggregate(conn, begins)).await?;
        }
        Way::RevenueAggregate => {
            read(core, move |conn| plain::revenue(conn, begins)).await?;
        }
        Way::Counts => {
            read(core, move |conn| plain::eight_counts(conn, begins)).await?;
        }
    }
    Ok(started.elapsed())
}

async fn read<T: Send + 'static>(
    core: &Core,
    work: impl Fn(&mut AnyConnection) -> DomainResult<T, Failure> + Send + 'static,
) -> DomainResult<T> {
    core.database.read("bench", work).await
}

/// Medians, and between which times eight of ten lie.
fn table(times: &[Vec<Duration>; 5]) -> String {
    let mut text = format!("{:<32} {:>10} {:>22}\n", "", "median", "eight of ten");
    for way in Way::ALL {
        let own = sorted(&times[way as usize]);
        let between = format!("{:.2?} to {:.2?}", tenth(&own, 1), tenth(&own, 9));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<32} {:>10.2?} {between:>22}", way.label(), tenth(&own, 5));
    }
    text
}

#[cfg(test)]
mod tests {
    use alpine_testing::TestDatabase;

    use super::*;

    /// Filled, counted, and the same by every way.
    async fn agrees(url: Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let arguments = Arguments { signals: 2_000, users: 500, rounds: 5, as_built: true };
        measure(&arguments, "small", folder.path(), url).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn figures_are_what_counting_gives_on_sqlite() {
        agrees(None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn figures_are_what_counting_gives_on_postgres() {
        let Some(database) = TestDatabase::create() else { return };
        agrees(Some(database.url().to_owned())).await;
    }

    #[test]
    fn medians_and_spreads_are_of_sorted_times() {
        let times: Vec<_> = (1..=10).rev().map(Duration::from_millis).collect();
        assert_eq!(tenth(&sorted(&times), 5), Duration::from_millis(6));
        let table = table(&[times.clone(), times.clone(), times.clone(), times.clone(), times]);
        assert!(table.contains("6.00ms") && table.contains("2.00ms to 10.00ms"), "{table}");
    }
}
