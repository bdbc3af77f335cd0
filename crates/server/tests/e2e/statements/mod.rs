//! How many statements each route sends to the database: no more with six hundred rows of everything than with thirty,
//! and few of them. A route without a request in `asks.rs` fails.

mod asks;
mod counter;
mod rows;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use alpine_http::{HttpSettings, Route, routes};
use reqwest::Method;

use self::{
    asks::{ASKS, Ask, DEVELOPMENT},
    scene::Scene,
};
use crate::{every_route::rows::ROWS, support::backends};

/// Rows of everything, and of each who asks.
const FEW: usize = 30;
const MANY: usize = 600;

/// Statements that a request sends at most, those that begin and end a transaction included: one that reads, and one
/// that changes something. Most are sent by another subscription: the provider's state is kept before it and after it.
const READING: usize = 20;
const CHANGING: usize = 60;

/// What is read in parts, and never in one: a statement for each so many rows. Parts of an export have 500, for which two
/// are sent.
const IN_PAGES: [(&str, usize); 1] = [("export_signals", 250)];

/// What is remembered for a moment and may be looked up at one size and not at the other: what an account may do, whose
/// change a job makes known at its own time, and whether the database answers.
const REMEMBERED: [&str; 6] = [
    "SELECT users.tier, users.role, users.is_active, (users.generation",
    "SELECT 1",
    "SHOW transaction_read_only",
    "SELECT c.relname::text AS word FROM pg_class",
    "SELECT name AS word FROM sqlite_master",
    "SELECT version AS word FROM __diesel_schema_migrations",
];

/// The routes of the table, those of operators' port and of the development provider included.
fn table() -> Vec<Route> {
    let settings =
        HttpSettings { development_payments: true, serve_metrics: true, ..HttpSettings::default() };
    routes::table(&settings)
}

fn route<'a>(table: &'a [Route], name: &str) -> &'a Route {
    let found = table.iter().find(|route| route.endpoint.name == name);
    found.unwrap_or_else(|| panic!("no route is called {name}"))
}

/// The path of a request, see [`Ask`].
fn path(route: &Route, at: &str) -> String {
    let whole = route.endpoint.canonical_path();
    let (segment, query) = at.split_once('?').map_or((at, None), |(at, query)| (at, Some(query)));
    let path = match (whole.split_once('{'), whole.rsplit_once('}')) {
        (Some((before, _)), Some((_, after))) => format!("{before}{segment}{after}"),
        _ => format!("{whole}{segment}"),
    };
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

/// What each request sends, in the order of `asks`.
async fn walk(scene: &Scene, asks: &[Ask]) -> Vec<Vec<String>> {
    let table = table();
    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    for (name, by, at, text, status) in asks {
        let route = route(&table, name);
        let method: Method = route.endpoint.method.as_str().parse().unwrap();
        let path = path(route, &scene.told(at));
        let text = if *text == "row" {
            ROWS.iter().find(|row| row.operation == *name).unwrap().body().to_string()
        } else {
            scene.told(text)
        };
        scene.settle().await;
        counter::sent(&scene.app);
        let answer = scene.ask(by, &method, &path, &text).await;
        if answer.status.as_u16() != *status {
            wrong.push(format!("{by} {method} {path} {text}: {} {}", answer.status, answer.text));
        }
        sent.push(counter::sent(&scene.app));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    sent
}

/// What is wrong with the numbers of statements of one request, if anything.
fn fault(reading: &BTreeSet<&str>, ask: &Ask, few: &[String], many: &[String]) -> Option<String> {
    let (name, by, at, ..) = ask;
    let page =
        IN_PAGES.iter().find(|(paged, _)| paged == name).map(|(_, rows)| (MANY - FEW) / rows + 1);
    let most = if reading.contains(name) { READING } else { CHANGING };
    let grows = asked(many) > asked(few) + page.unwrap_or(0);
    (grows || many.len() > most).then(|| {
        let (few, counted) = (few.len(), many.len());
        let kinds = told(many);
        format!("{name} ({by} {at}): {few} with {FEW} rows, {counted} with {MANY}, {most} at most:\n{kinds}")
    })
}

/// How many statements there are besides those whose answers are remembered.
fn asked(sent: &[String]) -> usize {
    let is_remembered = |statement: &&String| {
        let plain = statement.replace(['`', '"'], "");
        REMEMBERED.iter().any(|start| plain.starts_with(start))
    };
    sent.iter().filter(|statement| !is_remembered(statement)).count()
}

/// Each statement without its values, and how often it was sent.
fn told(sent: &[String]) -> String {
    let mut kinds = BTreeMap::new();
    for statement in sent {
        let words = statement.split(" -- binds").next().unwrap_or_default();
        *kinds.entry(words).or_insert(0_u32) += 1;
    }
    let lines: Vec<_> =
        kinds.iter().map(|(words, times)| format!("  {times} times {words}")).collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_sends_more_statements_for_more_rows() {
    counter::count();
    for backend in backends() {
        let walks = async |count| {
            let paid = walk(&Scene::with(&backend, count).await, ASKS).await;
            let played = walk(&Scene::in_development(&backend, count).await, DEVELOPMENT).await;
            [paid, played].concat()
        };
        let (few, many) = (Box::pin(walks(FEW)).await, Box::pin(walks(MANY)).await);
        let asks = [ASKS, DEVELOPMENT].concat();
        let table = table();
        let reading = table.iter().filter(|route| route.endpoint.method.as_str() == "GET");
        let reading: BTreeSet<_> = reading.map(|route| route.endpoint.name).collect();
        let faults: Vec<_> = { asks.iter().zip(few.iter().zip(&many)) }
            .filter_map(|(ask, (few, many))| fault(&reading, ask, few, many))
            .collect();
        assert!(faults.is_empty(), "{backend:?}: {}", faults.join("\n"));
        let counted = |name: &str| {
            let position = asks.iter().position(|ask| ask.0 == name).unwrap();
            many[position].len()
        };
        // What is counted is what is sent.
        assert!(counted("analytics") >= 1 && counted("sign_out_everywhere") >= 3);
    }
}

#[test]
fn every_route_of_the_table_is_asked() {
    let asked: BTreeSet<_> = ASKS.iter().chain(DEVELOPMENT).map(|ask| ask.0).collect();
    let table = table();
    let there: BTreeSet<_> = table.iter().map(|route| route.endpoint.name).collect();
    assert_eq!(asked, there, "give them a request in `asks.rs`, or take it out");
    let described: BTreeSet<_> = ROWS.iter().map(|row| row.operation).collect();
    assert!(described.is_subset(&there), "rows of `every_route` without a route");
}
