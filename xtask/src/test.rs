//! `cargo xtask test`: every suite, on servers that exist only for this run.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use alpine_testing::servers::Guard;

/// Runs every test on a throw-away PostgreSQL and Redis.
///
/// Uses cargo-nextest when it is installed, cargo's own runner otherwise, and runs the documentation's
/// examples as well. On Debian, as root, missing servers are installed (programs only).
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the test runner, a package and a name for example: `-p alpine-http cors`. With
    /// any of these, the documentation's examples are left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    runner: Vec<String>,
}

/// Settings of a running system, which must not reach the tests.
const FOREIGN: &[&str] = &[
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_PASSWORD",
    "REDIS_DB",
    "JWT_SECRET",
    "JWT_EXPIRATION_HOURS",
    "FRONTEND_URL",
    "DOMAIN",
    "ARGO_API_KEY",
    "DEBUG",
    "ALPINE_CONFIG",
];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    failed: u64,
    flaky: Vec<Flaky>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.flaky.extend(other.flaky);
    }
}

/// A test that passed when it was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flaky {
    /// How often it ran.
    runs: u32,
    name: String,
}

/// The machine may disturb a test of time once. One that failed twice in a row, alone on the machine, and
/// passed then, fails a run that counts (`CI=true`): at a desk it is only told.
const FORGIVEN_RUNS: u32 = 2;

/// Whether every test passed.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let mut servers = crate::servers::start()?;
    println!("PostgreSQL and Redis for this run:");
    let environment = servers.environment();
    for (name, value) in &environment {
        println!("  {name}={}", value.display());
    }

    let scratch = scratch_folder();
    if let Some(folder) = scratch {
        println!("  TMPDIR={}", folder.display());
    }

    let mut tally = Tally::default();
    let mut all_ended_well = true;
    for mut command in runners(arguments) {
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.envs(scratch.map(|folder| ("TMPDIR", folder)));
        keep_out_settings(&mut command);
        let (counted, ended_well) = count(&mut command, &mut servers.guard)?;
        tally.add(counted);
        all_ended_well &= ended_well;
    }
    drop(servers);
    if !all_ended_well && tally.failed == 0 {
        eprintln!("a runner failed before or beside its tests, see above");
    }
    for Flaky { runs, name } in &tally.flaky {
        println!("flaky: {name} passed in run {runs}");
    }
    let Tally { passed, failed, flaky } = &tally;
    println!("{passed} passed, {failed} failed, {} flaky", flaky.len());
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_forgiven = !is_ci || flaky.iter().all(|test| test.runs <= FORGIVEN_RUNS);
    if !is_forgiven {
        eprintln!("a test that needs more than {FORGIVEN_RUNS} runs fails the run when CI=true");
    }
    Ok(all_ended_well && *failed == 0 && *passed > 0 && is_forgiven)
}

/// Where tests write, if not where the system says: in memory. Each commit on SQLite waits for the disk
/// otherwise, and none of these files has to outlive the machine. `None` where there is no such folder or
/// little room in it, as in a container, and where the caller has chosen one.
fn scratch_folder() -> Option<&'static Path> {
    const FOLDER: &str = "/dev/shm";
    const ROOM: u64 = 4 << 30;
    if std::env::var_os("TMPDIR").is_some() {
        return None;
    }
    let room = rustix::fs::statvfs(FOLDER).ok()?;
    let is_there = rustix::fs::access(FOLDER, rustix::fs::Access::WRITE_OK).is_ok();
    let is_enough = room.f_bavail.saturating_mul(room.f_frsize) >= ROOM;
    (is_there && is_enough).then(|| Path::new(FOLDER))
}

/// Takes a running system's settings from the environment of a command.
pub(crate) fn keep_out_settings(command: &mut Command) {
    for name in FOREIGN {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ALPINE__") {
            command.env_remove(name);
        }
    }
}

/// How many tests run at once: most of them wait for servers and clocks most of the time. `--test-threads`
/// says another number.
fn test_threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

fn runners(arguments: &Arguments) -> Vec<Command> {
    let has_nextest = crate::workspace::cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let names_packages = arguments
        .runner
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));

    let mut tests = crate::workspace::cargo();
    if has_nextest {
        tests.args(["nextest", "run", "--no-fail-fast", "--color=always"]);
        tests.env("NEXTEST_TEST_THREADS", test_threads().to_string());
    } else {
        tests.args(["test", "--no-fail-fast", "--color=always", "--all-targets"]);
    }
    if !names_packages {
        tests.arg("--workspace");
    }
    tests.args(&arguments.runner);

    let mut examples = crate::workspace::cargo();
    examples.args(["test", "--doc", "--workspace", "--no-fail-fast", "--color=always"]);
    if arguments.runner.is_empty() { vec![tests, examples] } else { vec![tests] }
}

/// Runs a command, shows what it prints and counts the results in it.
fn count(command: &mut Command, guard: &mut Guard) -> Result<(Tally, bool)> {
    let is_nextest = command.get_args().any(|argument| argument == "nextest");
    let mut child =
        guard.spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (on_stdout, on_stderr) = std::thread::scope(|scope| {
        let stdout = scope
            .spawn(|| stdout.map_or(Ok(Tally::default()), |pipe| relay(pipe, false, is_nextest)));
        let stderr = scope
            .spawn(|| stderr.map_or(Ok(Tally::default()), |pipe| relay(pipe, true, is_nextest)));
        (stdout.join(), stderr.join())
    });
    let status = child.wait()?;
    guard.forget(&child)?;
    let joined = |result: std::thread::Result<Result<Tally>>| {
        result.map_err(|_| anyhow::anyhow!("reading the runner's output panicked"))?
    };
    let mut tally = joined(on_stdout)?;
    tally.add(joined(on_stderr)?);
    Ok((tally, status.success()))
}

fn relay(pipe: impl Read, to_stderr: bool, is_nextest: bool) -> Result<Tally> {
    // With --no-capture nextest shows what each test binary says as well, which is in its own summary already.
    let counts = |line: &str| !is_nextest || line.trim_start().starts_with("Summary");
    let mut tally = Tally::default();
    let mut line = Vec::new();
    let mut reader = BufReader::new(pipe);
    while reader.read_until(b'\n', &mut line).context("the runner's output")? > 0 {
        if to_stderr {
            std::io::stderr().write_all(&line)?;
        } else {
            std::io::stdout().write_all(&line)?;
        }
        let plain = without_colours(&String::from_utf8_lossy(&line));
        if counts(&plain)
            && let Some(found) = read_summary(&plain)
        {
            tally.add(found);
        }
        tally.flaky.extend(read_flaky(&plain).filter(|_| is_nextest));
        line.clear();
    }
    Ok(tally)
}

/// Removes `ESC [ … m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// The test of nextest's `FLAKY 2/3 [ … ] (1/9) alpine-infra::suite a::b`, which stands once below its summary.
fn read_flaky(line: &str) -> Option<Flaky> {
    let (runs, rest) = line.trim().strip_prefix("FLAKY ")?.split_once('/')?;
    let name = rest.split_once(')').map_or(rest, |(_, name)| name).trim().to_owned();
    Some(Flaky { runs: runs.parse().ok()?, name })
}

/// The counts in nextest's `Summary [ … ] 5 tests run: 4 passed, 1 failed, 0 skipped`, or in libtest's
/// `test result: ok. 5 passed; 0 failed; …`.
pub(crate) fn read_summary(line: &str) -> Option<Tally> {
    let line = line.trim();
    let counts = if line.starts_with("Summary [") {
        line.split_once(" run: ")?.1
    } else {
        line.strip_prefix("test result: ")?.split_once(". ")?.1
    };
    let mut tally = Tally::default();
    for part in counts.split([',', ';', '(', ')']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word {
            "passed" => tally.passed = number,
            // nextest counts tests that ran too long, or could not be started, apart.
            "failed" | "timed" | "exec" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_both_runners_are_counted() {
        let cases = [
            ("     Summary [   0.020s] 18 tests run: 18 passed, 0 skipped", 18, 0),
            (
                "     Summary [  10.020s] 9/18 tests run: 5 passed (1 slow), 3 failed, 1 timed out, 2 skipped",
                5,
                4,
            ),
            (
                "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s",
                7,
                0,
            ),
            (
                "test result: FAILED. 6 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
                6,
                2,
            ),
            ("     Summary [   1.056s] 3 tests run: 3 passed (2 flaky), 0 skipped", 3, 0),
            ("     Summary [   0.020s] 1 test run: 1 passed, 0 skipped", 1, 0),
        ];
        for (line, passed, failed) in cases {
            let tally = Tally { passed, failed, ..Tally::default() };
            assert_eq!(read_summary(line), Some(tally), "{line}");
        }
        assert_eq!(read_summary("        PASS [   0.005s] a b::c"), None);
    }

    #[test]
    fn a_test_that_ran_again_is_told() {
        let line = "   FLAKY 3/3 [   0.029s] (3/3) alpine-infra::suite pool::a";
        let name = "alpine-infra::suite pool::a".to_owned();
        assert_eq!(read_flaky(line), Some(Flaky { runs: 3, name }));
        assert_eq!(read_flaky("  TRY 1 FAIL [   0.727s] (───) fl b"), None);
    }

    #[test]
    fn colours_are_no_part_of_a_line() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [ 1s] \u{1b}[1m1\u{1b}[0m test run: 1 passed";
        assert_eq!(without_colours(line), "     Summary [ 1s] 1 test run: 1 passed");
    }
}
