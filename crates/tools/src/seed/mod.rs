//! `cargo xtask seed`: an empty database gets two years of signals and how they ended, the same ones each time.

mod rows;
mod sizes;

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use alpine_domain::{Clock as _, Timestamp, time::SystemClock};
use alpine_persistence::{DatabaseSettings, Migrator};
use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use self::sizes::Sizes;
use crate::loader::Loader;

/// Signals whose rows are made by one statement.
const CHUNK: i64 = 100_000;
/// How often a line is written where no bar can be shown.
const EVERY: Duration = Duration::from_secs(2);
/// What may hold no row.
const TABLES: [&str; 6] = ["users", "producers", "signals", "outcomes", "events", "jobs"];

/// Fills an empty database with signals and outcomes of two years.
///
/// Twenty instruments, of which a few are told of most, five strategies, two producers, confidence from 57 to 99 %, one
/// in ten open, one in twenty expired, some history and some simulated. Every hash is right. Sums that the service keeps
/// are not filled. A million signals take about a minute.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `sqlite:PATH` or `postgres://…`; the schema is made if it is not there
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// How many signals
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(i64).range(1..=100_000_000))]
    signals: i64,
    /// When the newest one was received, as RFC 3339; now without it. With it the rows are the same each time
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let until = match &arguments.until {
        Some(text) => Timestamp::parse_rfc3339(text).context("--until")?,
        None => SystemClock.now(),
    };
    let started = Instant::now();
    let sizes = Sizes { signals: arguments.signals, until };
    make(&arguments.database_url, sizes)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{} signals in {seconds:.1} s", arguments.signals);
    Ok(true)
}

/// Makes the schema, and the rows in one transaction.
///
/// # Errors
/// When the database is not empty, cannot be reached, or refuses a row: then nothing was stored.
pub(crate) fn make(url: &str, sizes: Sizes) -> Result<()> {
    Migrator::connect(&DatabaseSettings::new(url))?.run()?;
    let mut loader = Loader::connect(url)?;
    for table in TABLES {
        ensure!(
            loader.count(&format!(
                "SELECT COUNT(*) AS count FROM (SELECT 1 FROM {table} LIMIT 1) AS one"
            ))? == 0,
            "the database is not empty: {table} has rows"
        );
    }
    fill(&mut loader, sizes)?;
    loader.settle()
}

/// Indexes are taken away and made again from sorted rows: that is several times as fast as keeping them.
fn fill(loader: &mut Loader, sizes: Sizes) -> Result<()> {
    let indexes = loader.indexes(&["signals", "outcomes", "late_outcomes"])?;
    loader.begin()?;
    for index in &indexes {
        loader.go_on(&format!("DROP INDEX {}", index.name))?;
    }
    loader.go_on(&rows::producers(loader, sizes))?;
    let progress = Progress::new(sizes.signals)?;
    let mut done = 0;
    while done < sizes.signals {
        let end = (done + CHUNK).min(sizes.signals);
        for statement in rows::statements(loader, sizes, done, end) {
            loader.go_on(&statement)?;
        }
        progress.tell(end);
        done = end;
    }
    for index in &indexes {
        progress.says(&format!("making {}", index.name));
        loader.go_on(&index.made_by)?;
    }
    progress.says("committing");
    loader.commit()?;
    progress.bar.finish_and_clear();
    Ok(())
}

/// A bar on a terminal; elsewhere a line every two seconds.
struct Progress {
    bar: ProgressBar,
    rows: i64,
    told: std::cell::Cell<Instant>,
}

impl Progress {
    fn new(rows: i64) -> Result<Self> {
        let style = ProgressStyle::with_template("{msg:40} {wide_bar} {pos}/{len} {elapsed}")?;
        let bar = ProgressBar::new(u64::try_from(rows)?).with_style(style);
        bar.set_message("signals");
        Ok(Self { bar, rows, told: std::cell::Cell::new(Instant::now()) })
    }

    fn tell(&self, done: i64) {
        self.bar.set_position(done.unsigned_abs());
        self.line(&format!("{done} of {} signals", self.rows));
    }

    fn says(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.line(what);
    }

    fn line(&self, text: &str) {
        if !stderr().is_terminal() && self.told.get().elapsed() >= EVERY {
            eprintln!("{text}");
            self.told.set(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use alpine_domain::{
        page::Slice,
        signal::{SignalQuery, hash_matches},
    };
    use alpine_persistence::Database;

    use super::*;

    /// Two years of a few signals.
    const SIZES: Sizes = Sizes { signals: 2_000, until: Timestamp::from_seconds(1_795_737_600) };

    #[tokio::test]
    async fn rows_are_as_alpine_would_have_stored_them() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("seeded.db").display());
        make(&url, SIZES).unwrap();
        let settings = DatabaseSettings::new(&url);
        let database = Database::open(settings, &prometheus::Registry::new()).unwrap();
        let reader = alpine_persistence::stores(&database).signal_reader;
        let query = SignalQuery::all(Timestamp::MAX);
        let all = reader.list(&query, Slice::first(3_000)).await.unwrap();
        assert_eq!(all.len(), 2_000);
        for signal in &all {
            let content = &signal.content;
            assert_eq!(content.computed_content_hash(), content.content_hash, "{content:?}");
            assert!(hash_matches(&content.hashed_fields(), &content.hash), "{content:?}");
            assert!(signal.outcome.as_ref().is_none_or(|it| it.recorded_at <= SIZES.until));
        }
        let part =
            |is: &dyn Fn(&&alpine_domain::signal::Signal) -> bool| all.iter().filter(is).count();
        assert_eq!(part(&|it| it.outcome.is_none()), 200);
        assert!((60..140).contains(&part(&|it| it.has_expired())));
        assert!((10..35).contains(&part(&|it| it.late_outcome.is_some())));
        assert!((350..530).contains(&part(&|it| it.content.symbol.as_str() == "AAPL")));
        let refused = make(&url, SIZES).unwrap_err().to_string();
        assert!(refused.contains("not empty"), "{refused}");
    }
}
