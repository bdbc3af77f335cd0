//! `cargo xtask bench record`: what the figures of the record cost without the cache, at several sizes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock as _,
    analytics::Day,
    signal::{Record, Released},
    statistics::{Choice, Finest, Horizons, LateOutcomes, Level, PerformanceFilter, Period},
    time::SystemClock,
};
use alpine_testing::servers::Postgres;
use anyhow::{Result, anyhow, ensure};
use clap::ValueEnum;
use reqwest::Method;

use super::times::{judged, machine, sorted, tenth};
use crate::{
    loader::Loader,
    stage::{By, Stage},
};

/// What the database may take for an answer, and what a request may take from end to end.
const BOUNDS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(5)];
/// Rounds that are not measured: connections are opened, statements planned.
const WARM_UP: usize = 8;
/// After how long the service expires a signal.
const HORIZON: Duration = Duration::from_hours(24 * 30);
/// The delay of who has no account.
const DELAY: Duration = Duration::from_mins(15);

/// What the figures of the record cost, without the cache, at several sizes.
///
/// Seeds throw-away databases with two years of signals, makes the sums as the service does, and asks each route in turn:
/// the store alone, and over HTTP from end to end. Fails when the database takes two milliseconds or more for an answer, or
/// a request five, by the median.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Signals of each database
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100000,1000000",
          value_parser = clap::value_parser!(i64).range(1_000..=20_000_000))]
    signals: Vec<i64>,
    /// Only this back end
    #[arg(long)]
    back_end: Option<BackEnd>,
    /// Rounds
    #[arg(long, default_value_t = 101, value_parser = clap::value_parser!(u32).range(5..=10_000))]
    rounds: u32,
    /// Measure with this build, whatever its profile is; without it, with one of the profile release
    #[arg(long)]
    as_built: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackEnd {
    Sqlite,
    Postgres,
}

impl BackEnd {
    const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    const fn label(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What the store is asked for an answer.
#[derive(Debug, Clone, Copy)]
enum Question {
    /// A choice of signals in stretches, of so many days, with late outcomes or without, of a part of the record.
    Sums(Finest, Option<&'static str>, Option<i64>, LateOutcomes, Record),
    Symbols(Record),
}

/// A request.
struct Ask {
    path: &'static str,
    by: By,
    question: Question,
}

use self::Question::{Sums, Symbols};
use LateOutcomes::{Exclude, Include};

#[rustfmt::skip]
const ASKS: [Ask; 10] = [
    Ask { path: "performance/stats", by: By::Reader, question: Sums(Finest::Level(Level::Month), None, None, Exclude, Record::Live) },
    Ask { path: "performance/stats", by: By::Anybody, question: Sums(Finest::Level(Level::Month), None, None, Exclude, Record::Live) },
    Ask { path: "performance/stats?strategy=strategy_1&days=90", by: By::Reader,
          question: Sums(Finest::Level(Level::Month), Some("strategy_1"), Some(90), Exclude, Record::Live) },
    Ask { path: "performance/stats?record=all&late=include", by: By::Reader,
          question: Sums(Finest::Level(Level::Month), None, None, Include, Record::All) },
    Ask { path: "performance/equity-curve", by: By::Reader, question: Sums(Finest::Stretches(250), None, None, Exclude, Record::Live) },
    Ask { path: "performance/equity-curve", by: By::Anybody, question: Sums(Finest::Stretches(250), None, None, Exclude, Record::Live) },
    Ask { path: "performance/equity-curve?days=30", by: By::Reader,
          question: Sums(Finest::Stretches(250), None, Some(30), Exclude, Record::Live) },
    Ask { path: "symbols", by: By::Reader, question: Symbols(Record::Live) },
    Ask { path: "symbols", by: By::Anybody, question: Symbols(Record::Live) },
    Ask { path: "symbols?record=all", by: By::Reader, question: Symbols(Record::All) },
];

/// Whether every answer was soon there.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("release");
    }
    println!("{} rounds; {}", arguments.rounds, machine());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let postgres = Postgres::start()?;
    let mut holds = true;
    for back_end in BackEnd::ALL {
        if arguments.back_end.is_some_and(|it| it != back_end) {
            continue;
        }
        for signals in &arguments.signals {
            let name = format!("record_{signals}");
            let url = match back_end {
                BackEnd::Sqlite => None,
                BackEnd::Postgres => {
                    postgres.execute(&format!("CREATE DATABASE {name}"))?;
                    Some(format!("postgres://postgres@127.0.0.1:{}/{name}", postgres.port()))
                }
            };
            let folder = folder.path().join(back_end.label()).join(&name);
            holds &= runtime.block_on(measure(arguments, back_end, (&folder, url), *signals))?;
            if back_end == BackEnd::Postgres {
                postgres.execute(&format!("DROP DATABASE {name} WITH (FORCE)"))?;
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(holds)
}

/// Fills one database and measures on it.
async fn measure(
    arguments: &Arguments,
    back_end: BackEnd,
    (folder, url): (&Path, Option<String>),
    signals: i64,
) -> Result<bool> {
    let stage = Stage::make(folder, url, signals).await?;
    let [filled, summed] = stage.took;
    let (sums, all) = sizes(&stage.url, back_end)?;
    println!(
        "\n{}, {signals} signals: filled in {filled:.1?}, sums made in {summed:.1?}; {} MB, of which sums {} MB",
        back_end.label(),
        all / 1_000_000,
        sums / 1_000_000,
    );
    println!(
        "{:<52} {:>10} {:>22} {:>10} {:>22}",
        "", "database", "eight of ten", "HTTP", "eight of ten"
    );
    let mut times: Vec<[Vec<Duration>; 2]> = ASKS.iter().map(|_| Default::default()).collect();
    let rounds = WARM_UP + arguments.rounds as usize;
    for round in 0..rounds {
        for place in 0..ASKS.len() {
            let place = (place + round) % ASKS.len();
            let took =
                [of_store(&stage, &ASKS[place]).await?, of_http(&stage, &ASKS[place]).await?];
            if round >= WARM_UP {
                times[place].iter_mut().zip(took).for_each(|(times, took)| times.push(took));
            }
        }
    }
    stage.stop().await?;
    let mut holds = true;
    for (ask, times) in ASKS.iter().zip(&times) {
        holds &= told(ask, times);
    }
    Ok(holds)
}

/// Whether one route was soon there.
fn told(ask: &Ask, times: &[Vec<Duration>; 2]) -> bool {
    let name = format!("{} ({:?})", ask.path, ask.by);
    print!("{name:<52}");
    let times = times.each_ref().map(|times| sorted(times));
    for times in &times {
        let between = format!("{:.2?} to {:.2?}", tenth(times, 1), tenth(times, 9));
        print!(" {:>10} {between:>22}", format!("{:.2?}", tenth(times, 5)));
    }
    println!();
    let (judged, of) = judged();
    let late: Vec<_> =
        times.iter().zip(BOUNDS).filter(|(times, bound)| tenth(times, of) >= *bound).collect();
    for (_, bound) in &late {
        println!("FAILS: {bound:?} or more, by the {judged}");
    }
    late.is_empty()
}

/// How long the store takes.
async fn of_store(stage: &Stage, ask: &Ask) -> Result<Duration> {
    let now = SystemClock.now();
    let released = if ask.by == By::Anybody {
        Released { below: Some(85.0), as_of: now.earlier(DELAY), others_as_of: now.earlier(DELAY) }
    } else {
        Released::all(now)
    };
    let store = &stage.core.stores.statistics;
    let started = Instant::now();
    let found = match ask.question {
        Sums(finest, strategy, days, late, record) => {
            let choice = Choice {
                strategy: strategy
                    .map(str::parse)
                    .transpose()
                    .map_err(|error: &str| anyhow!("{error}"))?,
                ..Choice::default()
            };
            let from = days.map(|days| Day::of(now).earlier(days));
            let period = Period { from, to: None };
            let filter = PerformanceFilter {
                choice,
                period,
                late,
                record,
                ..PerformanceFilter::all(released)
            };
            let horizons = Horizons { default: HORIZON, ..Horizons::default() };
            store.read(&filter, finest, &horizons, now, 10_000).await?.sums.len()
        }
        Symbols(record) => {
            let filter = PerformanceFilter { record, ..PerformanceFilter::all(released) };
            store.symbols(&filter).await?.sums.len()
        }
    };
    store.next_after(released.as_of, None, Exclude, true).await?;
    let took = started.elapsed();
    ensure!(found > 0, "{} has no sums", ask.path);
    Ok(took)
}

/// How long a request takes.
async fn of_http(stage: &Stage, ask: &Ask) -> Result<Duration> {
    let started = Instant::now();
    let answer = stage.request(Method::GET, ask.by, ask.path).send().await?.error_for_status()?;
    let body = answer.bytes().await?;
    let took = started.elapsed();
    ensure!(body.len() > 300, "{}: {body:?}", ask.path);
    Ok(took)
}

/// Bytes of the sums with their indexes, and of the database.
fn sizes(url: &str, back_end: BackEnd) -> Result<(i64, i64)> {
    let mut loader = Loader::connect(url)?;
    let [sums, all] = match back_end {
        BackEnd::Sqlite => [
            "SELECT SUM(pgsize) AS count FROM dbstat WHERE name IN (SELECT name FROM sqlite_master \
             WHERE tbl_name = 'record_sums')",
            "SELECT page_count * page_size AS count FROM pragma_page_count(), pragma_page_size()",
        ],
        BackEnd::Postgres => [
            "SELECT pg_total_relation_size('record_sums') AS count",
            "SELECT pg_database_size(current_database()) AS count",
        ],
    };
    Ok((loader.count(sums)?, loader.count(all)?))
}
