//! `cargo xtask explain`: what the statements of hot requests read, as the databases themselves say.

mod asker;
mod asks;
mod cost;
mod judge;
mod postgres;
mod sent;
mod sqlite;

use std::{collections::BTreeSet, path::Path, time::Instant};

use alpine_testing::servers::Postgres;
use anyhow::{Result, bail, ensure};

use self::{
    asker::Asker,
    asks::ASKS,
    cost::{Cost, of_postgres},
    judge::{Costs, EXCEPTIONS, faults, judge},
    postgres::Plans,
};
use crate::{
    loader::{Index, Loader},
    stage::Stage,
};

/// The plan of each statement that hot requests send, at two sizes and on both back ends.
///
/// Seeds throw-away databases, starts the service on them, makes each request over HTTP and without the cache, and looks at
/// the plans of what it sent: on PostgreSQL those of what ran (`auto_explain`), on SQLite those it would follow. Fails when
/// one reads a table that grows from its beginning to its end, sorts more than a thousand rows, touches more pages
/// than its request may, or reads more in the larger database than in the smaller. Then indexes are taken away, one at a
/// time, and the requests that need them must fail.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Signals of the smaller and of the larger database
    #[arg(long, value_name = "N,M", default_value = "3000,30000", value_parser = two_sizes)]
    signals: (i64, i64),
    /// Print what each statement cost
    #[arg(long)]
    costs: bool,
    /// Take this index away first, to see what needs it
    #[arg(long, value_name = "INDEX")]
    without: Option<String>,
}

fn two_sizes(text: &str) -> Result<(i64, i64), String> {
    let sizes =
        text.split_once(',').and_then(|(few, many)| Some((few.parse().ok()?, many.parse().ok()?)));
    match sizes {
        Some((few, many)) if few >= 1_000 && many >= 2 * few && many <= 100_000_000 => {
            Ok((few, many))
        }
        _ => Err("must be two numbers, the first 1000 or more, the second at least twice as large"
            .to_owned()),
    }
}

/// An index, a route whose requests must fail without it, and whether that is so on SQLite too: there rows are counted
/// in few statements, and pages in none.
const PROOFS: &[(&str, &str, bool)] = &[
    ("idx_signal_created", "signal_history", true),
    ("idx_signal_symbol_history", "signal_history", false),
    ("idx_outcome_status_signal", "signal_history", false),
    ("idx_signal_current_confidence", "subscribed_signals", true),
];

/// Whether every plan is good, every exception needed, and every index missed.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    sent::listen()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let postgres = Postgres::start()?;
    let result = runtime.block_on(async {
        let mut needed = BTreeSet::new();
        let mut is_good = true;
        for back_end in ["PostgreSQL", "SQLite"] {
            let server = (back_end == "PostgreSQL").then_some(&postgres);
            is_good &= Box::pin(look(
                arguments,
                back_end,
                server,
                &folder.path().join(back_end),
                &mut needed,
            ))
            .await?;
        }
        let unneeded = EXCEPTIONS.iter().enumerate().filter(|(place, _)| !needed.contains(place));
        for (_, unneeded) in unneeded {
            println!("the exception of {} is not needed: {}", unneeded.route, unneeded.reason);
            is_good = false;
        }
        anyhow::Ok(is_good)
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

/// One back end, at both sizes.
async fn look(
    arguments: &Arguments,
    name: &str,
    server: Option<&Postgres>,
    folder: &Path,
    needed: &mut BTreeSet<usize>,
) -> Result<bool> {
    let started = Instant::now();
    let (few, many) = arguments.signals;
    let mut smaller = Watched::make(server, &folder.join("few"), "explain_few", few).await?;
    let mut larger = Watched::make(server, &folder.join("many"), "explain_many", many).await?;
    if let Some(index) = &arguments.without {
        for side in [&mut smaller, &mut larger] {
            side.take_away(index)?;
        }
    }
    let costs = (smaller.costs(None).await?, larger.costs(None).await?);
    if arguments.costs {
        print_costs(name, &costs);
    }
    let (faults, excused) = judge(faults(&costs.0, &costs.1));
    needed.extend(excused);
    for fault in &faults {
        println!("✗ {name}: {fault}");
    }
    let statements = costs.1.len();
    let missed =
        if faults.is_empty() { unmissed(&mut smaller, &mut larger).await? } else { Vec::new() };
    for (index, route) in &missed {
        println!("✗ {name}: nothing of {route} fails without {index}");
    }
    smaller.asker.stage.stop().await?;
    larger.asker.stage.stop().await?;
    println!(
        "{name}: {} requests, {statements} statements at {few} and {many} signals, {} faults, in {:.0} s",
        ASKS.len(),
        faults.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(faults.is_empty() && missed.is_empty())
}

/// The proofs that hold no more: what can fail without an index did not.
async fn unmissed(
    smaller: &mut Watched,
    larger: &mut Watched,
) -> Result<Vec<(&'static str, &'static str)>> {
    let mut missed = Vec::new();
    let is_sqlite = smaller.plans.is_none();
    for (index, route, _) in PROOFS.iter().filter(|(.., on_sqlite)| *on_sqlite || !is_sqlite) {
        let (few, many) = (smaller.take_away(index)?, larger.take_away(index)?);
        let costs = (smaller.costs(Some(route)).await?, larger.costs(Some(route)).await?);
        if judge(faults(&costs.0, &costs.1)).0.is_empty() {
            missed.push((*index, *route));
        }
        smaller.loader.go_on(&few.made_by)?;
        larger.loader.go_on(&many.made_by)?;
    }
    Ok(missed)
}

fn print_costs(name: &str, (few, many): &(Costs, Costs)) {
    println!(
        "{name}: rows and pages of the dearest execution, in the smaller and in the larger database"
    );
    for ((ask, statement), cost) in many {
        let before = few.get(&(*ask, statement.clone())).cloned().unwrap_or_default();
        let short: String = statement.chars().take(160).collect();
        println!(
            "{:<24} {:<60} {:>6} {:>6}  {:>6} {:>6}  sorts {:?}  {short}",
            ASKS[*ask].route,
            ASKS[*ask].path,
            before.rows,
            cost.rows,
            before.buffers,
            cost.buffers,
            cost.sorted
        );
    }
}

/// An application, and who says what its statements cost.
struct Watched {
    asker: Asker,
    loader: Loader,
    plans: Option<Plans>,
}

impl Watched {
    async fn make(
        server: Option<&Postgres>,
        folder: &Path,
        name: &str,
        signals: i64,
    ) -> Result<Self> {
        let (url, plans) = match server {
            None => (None, None),
            Some(server) => {
                server.execute(&format!("CREATE DATABASE {name}"))?;
                let url = format!("postgres://postgres@127.0.0.1:{}/{name}", server.port());
                (Some(url), Some(Plans::of(server, name)?))
            }
        };
        let stage = Stage::make(folder, url, signals).await?;
        let loader = Loader::connect(&stage.url)?;
        Ok(Self { asker: Asker::new(stage), loader, plans })
    }

    /// Drops an index; says how it is made again.
    fn take_away(&mut self, name: &str) -> Result<Index> {
        let tables = [
            "signals",
            "outcomes",
            "late_outcomes",
            "users",
            "events",
            "notifications",
            "sessions",
        ];
        let found = self.loader.indexes(&tables)?.into_iter().find(|index| index.name == name);
        let Some(index) = found else { bail!("no index is called {name}") };
        self.loader.go_on(&format!("DROP INDEX {name}"))?;
        Ok(index)
    }

    /// What the statements of each request cost, or of those of one route.
    async fn costs(&mut self, route: Option<&str>) -> Result<Costs> {
        let mut costs = Costs::new();
        for (place, ask) in
            ASKS.iter().enumerate().filter(|(_, ask)| route.is_none_or(|it| it == ask.route))
        {
            if let Some(plans) = &mut self.plans {
                plans.take()?;
            }
            let (sent, unanswered) = self.asker.ask(ask).await?;
            let found: Vec<(String, Cost)> = match &mut self.plans {
                Some(plans) => { plans.take()?.into_iter() }
                    .filter(|(statement, _)| sent.contains_key(statement))
                    .map(|(statement, plan)| (statement, of_postgres(&plan)))
                    .collect(),
                None => sqlite::costs(&self.asker.stage.url, sent)?,
            };
            let is_silent = found.is_empty() && unanswered.is_none();
            ensure!(!is_silent || ask.route == "me", "{} sent no statement", ask.route);
            if let Some(answer) = unanswered {
                let cost = Cost { sorted: Some(0), is_unanswered: true, ..Cost::default() };
                costs.insert((place, answer), cost);
            }
            for (statement, cost) in found {
                let known = costs.remove(&(place, statement.clone()));
                costs.insert(
                    (place, statement),
                    known.map_or(cost.clone(), |known: Cost| known.or(cost)),
                );
            }
        }
        Ok(costs)
    }
}
