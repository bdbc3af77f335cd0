//! `cargo xtask age`: what two years do to the cost of an operation.

mod operations;
mod page;
mod rolling;
mod rounds;
mod seed;
mod side;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alpine_testing::servers::Postgres;
use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    operations::Operation,
    page::{BackEnd, Line, Page},
    rounds::{Rounds, Verdict},
    seed::Sizes,
    side::Side,
};

/// How often an operation whose ratio is unclear is measured longer, each time for as many rounds again.
const REPEATS: u32 = 4;
/// However long an operation takes, it is measured this often.
const LEAST_ROUNDS: usize = 5;
/// Rounds that are not measured: connections are opened, caches of the system filled.
const WARM_UP: u32 = 3;

/// The same operations on a young database and on one of two years.
///
/// Makes both databases of each back end with the real migrations, and fills the second with 10 million events,
/// 1.5 million sessions (200,000 of one account), 500,000 users, 200,000 API keys and 1 million signals. Then
/// each operation is measured on both, in turn, in one process with the whole application; lists over HTTP and
/// without the cache. Fails when one costs more than 1.2 times of what it costs on the young database.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which back ends
    #[arg(long, value_enum, default_value = "both")]
    backend: Choice,
    /// The part of two years' rows that the older database gets
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Rounds; each measures an operation once on both databases
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u32).range(5..=1_000))]
    rounds: u32,
    /// Seconds after which a slow operation is measured no further
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    budget: u64,
    /// Only operations whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Measure with this build, whatever its profile is; without it, with one of the profile release
    #[arg(long)]
    as_built: bool,
    /// Print the tables as a page
    #[arg(long)]
    markdown: bool,
    /// Where the databases are made; a folder below it is removed at the end. PostgreSQL makes its own
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    Sqlite,
    Postgres,
    Both,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.0..=10.0).contains(&scale) => Ok(scale),
        _ => Err("must be between 0 and 10".to_owned()),
    }
}

/// Whether no operation is above the bound.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("release");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let mut page = Page::new(arguments.scale);
    if arguments.backend != Choice::Postgres {
        let urls = [None, None];
        page.add(runtime.block_on(compare(arguments, "SQLite", folder.path(), urls))?);
    }
    if arguments.backend != Choice::Sqlite {
        let postgres = Postgres::start()?;
        let make = |name: &str| {
            postgres.execute(&format!("CREATE DATABASE {name}"))?;
            anyhow::Ok(Some(format!("postgres://postgres@127.0.0.1:{}/{name}", postgres.port())))
        };
        let urls = [make("young")?, make("aged")?];
        let folder = folder.path().join("postgres");
        page.add(runtime.block_on(compare(arguments, "PostgreSQL", &folder, urls))?);
    }
    page.note_machine();
    runtime.shutdown_timeout(Duration::from_secs(5));
    if arguments.markdown {
        print!("{}", page.markdown());
    } else {
        print!("{}", page.text());
    }
    Ok(page.holds())
}

async fn compare(
    arguments: &Arguments,
    name: &'static str,
    folder: &Path,
    urls: [Option<String>; 2],
) -> Result<BackEnd> {
    let [young_url, aged_url] = urls;
    let started = Instant::now();
    let fresh =
        Side::make("young", &folder.join("young"), young_url, Sizes::young(arguments.scale))
            .await?;
    let sizes = Sizes::aged(arguments.scale);
    let aged = Side::make("aged", &folder.join("aged"), aged_url, sizes).await?;
    eprintln!("both databases were made in {:.0?}", started.elapsed());

    let wanted: Vec<Operation> = operations::ALL
        .iter()
        .copied()
        .filter(|operation| operation.label().contains(&arguments.only))
        .collect();
    let progress = ProgressBar::new(wanted.len() as u64)
        .with_style(ProgressStyle::with_template("{msg:50} {wide_bar} {pos}/{len} {elapsed}")?);
    let mut lines = Vec::new();
    for operation in wanted {
        progress.set_message(operation.label());
        let line = measure(arguments, operation, &fresh, &aged).await;
        progress.suspend(|| eprintln!("{line}"));
        lines.push(line);
        progress.inc(1);
    }
    progress.finish_and_clear();
    // SQLite serves one instance.
    let is_shared = aged.config.database_url().reveal().starts_with("postgres");
    let rolling = if is_shared { Some(rolling::start_beside(&aged).await?) } else { None };
    for side in [fresh, aged] {
        side.expect_all_readable().await.with_context(|| side.name)?;
        side.stop().await?;
    }
    Ok(BackEnd { name, lines, rolling })
}

async fn measure(arguments: &Arguments, operation: Operation, fresh: &Side, aged: &Side) -> Line {
    let mut rounds = Rounds::default();
    let failed = measure_into(&mut rounds, arguments, operation, fresh, aged).await.err();
    Line { label: operation.label(), rounds, failed: failed.map(|error| format!("{error:#}")) }
}

async fn measure_into(
    rounds: &mut Rounds,
    arguments: &Arguments,
    operation: Operation,
    fresh: &Side,
    aged: &Side,
) -> Result<()> {
    let budget = Duration::from_secs(arguments.budget);
    let started = Instant::now();
    for _ in 0..WARM_UP {
        operation.run(fresh).await.context("young")?;
        operation.run(aged).await.context("aged")?;
        if started.elapsed() > budget / 2 {
            break;
        }
    }
    for _ in 0..REPEATS {
        for round in 0..arguments.rounds {
            if rounds.len() >= LEAST_ROUNDS && started.elapsed() > budget {
                return Ok(());
            }
            // Neither always comes first.
            let (young, old) = if round % 2 == 0 {
                let young = operation.run(fresh).await.context("young")?;
                (young, operation.run(aged).await.context("aged")?)
            } else {
                let old = operation.run(aged).await.context("aged")?;
                (operation.run(fresh).await.context("young")?, old)
            };
            rounds.add(young, old);
        }
        if rounds.verdict() != Verdict::Unclear {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alpine_domain::{
        page::Slice,
        ports::secrets::HashPriority,
        signal::{SignalQuery, SignalStatus, hash_matches},
    };
    use alpine_testing::TestDatabase;

    use super::*;

    const SMALL: Sizes = Sizes {
        days: 30,
        users: 500,
        sessions: 600,
        busy_sessions: 100,
        api_keys: 40,
        busy_keys: 20,
        signals: 600,
        open: 200,
        events: 2_000,
    };

    /// Rows that were made by SQL alone are read as those that Alpine writes, and each operation does on them
    /// what it is measured for.
    async fn is_like_any_other(url: Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let side = Side::make("small", folder.path(), url, SMALL).await.unwrap();
        let everything = SignalQuery::all(side.core.ports.clock.now());
        let signals = side.core.stores.signal_reader.list(&everything, Slice::first(1_000)).await;
        let signals = signals.unwrap();
        assert_eq!(signals.len(), 600);
        for signal in &signals {
            let content = &signal.content;
            assert!(hash_matches(&content.hashed_fields(), &content.hash), "{signal:?}");
            assert_eq!(content.computed_content_hash(), content.content_hash, "{signal:?}");
            let outcome = signal.outcome.as_ref();
            let (price, pnl) =
                (outcome.and_then(|it| it.exit_price.as_ref()), outcome.and_then(|it| it.pnl));
            let computed = price.map(|price| {
                alpine_domain::signal::pnl_percent(content.action, &content.entry_price, price)
                    .unwrap()
            });
            assert_eq!(computed, pnl, "{signal:?}");
        }
        let count = |status| signals.iter().filter(|signal| signal.status() == status).count();
        assert_eq!(count(SignalStatus::Open), 200);
        assert_eq!(
            count(SignalStatus::Expired),
            signals.iter().filter(|it| it.late_outcome.is_some()).count() * 2
        );

        let accounts = &side.core.use_cases.accounts;
        let email = seed::email(7);
        assert_eq!(accounts.knows(&side.address, &email).await.unwrap(), HashPriority::Known);
        let password = side::PASSWORD;
        let signed_in =
            accounts.sign_in(None, HashPriority::Known, &email, password).await.unwrap();
        assert!(accounts.list_api_keys(signed_in.account.id).await.unwrap().is_empty());
        for operation in operations::ALL {
            let ran = operation.run(&side).await;
            assert!(ran.is_ok(), "{}: {:#}", operation.label(), ran.unwrap_err());
        }
        side.expect_all_readable().await.unwrap();
        side.stop().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_seeded_sqlite_database_is_like_any_other() {
        Box::pin(is_like_any_other(None)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_seeded_postgres_database_is_like_any_other() {
        let Some(database) = TestDatabase::create() else { return };
        Box::pin(is_like_any_other(Some(database.url().to_owned()))).await;
    }
}
