//! Checks that are programs of their own: of the toolchain, or tests of the application.

use std::process::{Command, Stdio};

use alpine_testing::servers::{POSTGRES_URL, Postgres};
use anyhow::{Context as _, Result, bail};

pub(super) fn format() -> Result<String> {
    run(crate::workspace::cargo().args(["fmt", "--all", "--check"]))
}

pub(super) fn clippy() -> Result<String> {
    run(crate::workspace::cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

pub(super) fn docs() -> Result<String> {
    run(crate::workspace::cargo()
        .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "--deny warnings"))
}

/// cargo-deny adds the database of vulnerabilities to what [`super::dependencies`] checks. It takes
/// minutes to build, so it is used where it is, and not installed.
pub(super) fn deny() -> Result<String> {
    let is_there = crate::workspace::cargo()
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        return Ok("cargo-deny is not installed; see `dependencies` for what is enforced".into());
    }
    run(crate::workspace::cargo().args(["deny", "--log-level", "error", "check"]))
}

pub(super) fn openapi() -> Result<String> {
    tests("openapi", "", &[])
}

pub(super) fn migrations() -> Result<String> {
    crate::servers::install_missing()?;
    let postgres = Postgres::start()?;
    tests("contract", "migrations::nothing_drifts", &[(POSTGRES_URL, &postgres.url())])
}

/// Plans of the statements that hot requests send, in small databases.
pub(super) fn explain() -> Result<String> {
    crate::servers::install_missing()?;
    let told = run(crate::tools::command()?.arg("explain"))?;
    Ok(told.replace('\n', "; "))
}

/// Runs tests that look at the application itself. They are built as all tests are, so that
/// `cargo xtask test` finds everything compiled.
fn tests(target: &str, filter: &str, environment: &[(&str, &str)]) -> Result<String> {
    let mut command = crate::workspace::cargo();
    command.args(["test", "--quiet", "--workspace", "--test", target, filter]);
    command.envs(environment.iter().copied()).env("CI", "true");
    let output = run(&mut command)?;
    let passed: u64 =
        output.lines().filter_map(crate::test::read_summary).map(|tally| tally.passed).sum();
    if passed == 0 {
        bail!("the tests of {target} hold no `{filter}`");
    }
    Ok(format!("{passed} tests"))
}

/// Runs a command and returns what it wrote to standard output; the rest is told only when it fails.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
