//! The narrowest tests that should notice a wrong program of a crate.

use anyhow::{Context as _, Result};

use crate::mutants::list::Binary;

/// One run of a program of tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) binary: Binary,
    /// Which of its tests: filters, and `--skip` before others. All, if there are none.
    pub(super) filters: &'static [&'static str],
}

type Parts = &'static [(&'static str, &'static [&'static str])];

/// Tests of infra that wait for servers to go and come back.
const SLOW: &[&str] = &["invariants::", "redis_away::", "topology::"];

/// By crate, the quickest first: a program and its filters. `lib` are the tests inside of the library. What
/// needs several crates together is the business of the lists under `xtask/mutants`.
const SUITES: &[(&str, Parts)] = &[
    ("alpine-domain", &[("lib", &[]), ("use_cases", &[]), ("laws", &[])]),
    ("alpine-http", &[("lib", &[])]),
    (
        "alpine-infra",
        &[
            ("lib", &[]),
            ("suite", &["--skip", SLOW[0], "--skip", SLOW[1], "--skip", SLOW[2]]),
            ("suite", SLOW),
        ],
    ),
    (
        "alpine-persistence",
        &[("lib", &[]), ("contract", &["--skip", "::postgres::"]), ("contract", &["::postgres::"])],
    ),
    ("alpine-server", &[("lib", &[])]),
];

/// The tests of a crate.
///
/// # Errors
/// When none are named, so that none of its mutants would be noticed.
pub(super) fn of(package: &str) -> Result<Vec<Part>> {
    let found = SUITES.iter().find(|(name, _)| *name == package);
    let (_, parts) = found.with_context(|| {
        format!(
            "no tests are named for mutants of {package}: name them in \
             xtask/src/mutants/made/suites.rs, or leave it out in .cargo/mutants.toml"
        )
    })?;
    let part = |(target, filters): &(&str, &'static [&'static str])| {
        let target = (*target != "lib").then(|| (*target).to_owned());
        Part { binary: Binary { package: package.to_owned(), target }, filters }
    };
    Ok(parts.iter().map(part).collect())
}
