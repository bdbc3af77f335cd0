//! Alpine beside its description: random operations at random times, on SQLite and on PostgreSQL with
//! Redis, on one instance and on two. `alpine.rs` is the description.
//!
//! A case that fails is made as short as it gets, printed, and kept in `regressions.txt`, from where it is tried
//! first the next time. `PROPTEST_CASES` runs more of them.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tree of tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod alpine;
mod operations;
mod world;

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};

use crate::{
    operations::{Operation, operations},
    support::{Backend, backends},
    world::World,
};

/// Operations of one case at most.
const OPERATIONS: usize = 400;
/// Cases of each test, unless the environment says otherwise: 300 operations each on average.
const CASES: u32 = 36;
/// Attempts to make a failing case shorter, at most; `PROPTEST_MAX_SHRINK_ITERS` asks for fewer.
const ATTEMPTS: u32 = 1_000;

#[test]
fn on_sqlite() {
    run(&Backend::SqliteMemory, 1, CASES);
}

#[test]
fn on_postgres_and_redis() {
    for backend in backends().into_iter().skip(1) {
        run(&backend, 1, CASES / 2);
    }
}

#[test]
fn on_two_instances() {
    for backend in backends().into_iter().skip(1) {
        run(&backend, 2, CASES / 2);
    }
}

fn run(backend: &Backend, instances: usize, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let failures = FileFailurePersistence::Direct("tests/model/regressions.txt");
    let defaults = Config::default();
    let attempts = defaults.max_shrink_iters.min(ATTEMPTS);
    let mut runner = TestRunner::new(Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: Some(Box::new(failures)),
        // `shortest` does it in fewer attempts: it knows where a case failed.
        max_shrink_iters: 0,
        ..defaults
    });
    let fails =
        |operations: &[Operation]| runtime.block_on(failure(backend, instances, operations));
    let result = runner.run(&operations(instances, OPERATIONS), |operations| {
        fails(&operations).map_or(Ok(()), |(_, why)| Err(TestCaseError::fail(why)))
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(first, operations)) => {
            let (operations, why) = shortest(operations, attempts, fails)
                .unwrap_or_else(|all| (all, format!("it failed once, and not again: {first}")));
            let lines: Vec<String> = operations.iter().map(|one| format!("{one:?}")).collect();
            panic!("{why}\nafter these:\n{}", lines.join("\n"));
        }
        Err(aborted) => panic!("{aborted}"),
    }
}

/// The operation at which the application does not answer as the model does, and how.
async fn failure(
    backend: &Backend,
    instances: usize,
    operations: &[Operation],
) -> Option<(usize, String)> {
    let mut world = World::start(backend, instances).await;
    for (n, operation) in operations.iter().enumerate() {
        if let Err(why) = world.happen(operation).await {
            return Some((n, why));
        }
    }
    None
}

/// As few operations as still fail: takes out ever smaller pieces of what comes before the failure, in so
/// many attempts at most. The error is all of them, if they do not fail again.
fn shortest(
    mut operations: Vec<Operation>,
    mut attempts: u32,
    fails: impl Fn(&[Operation]) -> Option<(usize, String)>,
) -> Result<(Vec<Operation>, String), Vec<Operation>> {
    let Some((n, mut why)) = fails(&operations) else { return Err(operations) };
    operations.truncate(n + 1);
    let mut piece = operations.len() / 2;
    while piece > 0 {
        let mut start = 0;
        while start < operations.len() && attempts > 0 {
            attempts -= 1;
            let end = (start + piece).min(operations.len());
            let mut fewer = operations.clone();
            fewer.drain(start..end);
            match fails(&fewer) {
                Some((n, found)) => {
                    fewer.truncate(n + 1);
                    (operations, why) = (fewer, found);
                }
                None => start = end,
            }
        }
        piece /= 2;
    }
    Ok((operations, why))
}
