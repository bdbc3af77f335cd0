//! Runs the tests of a crate with one mutant chosen, until one fails.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use alpine_testing::servers::Servers;
use anyhow::{Context as _, Result, bail};

use super::suites::Part;
use crate::mutants::{list::Binary, run};

/// What the tests said of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// By this test, or because the program broke off.
    Caught(String),
    /// It ran for longer than the tests do without it, several times over.
    Hung,
    Missed,
}

/// How one program of tests ended.
enum End {
    Passed,
    Failed(String),
    BrokeOff,
    Hung,
}

/// Tests without a mutant in them, several times as long, and at least this: what else a machine does
/// must not look like a mutant that hangs.
const PATIENCE: (u32, Duration) = (4, Duration::from_secs(40));

/// So often a test that fails among others and passes alone is left out, before the mutant counts as missed.
const DISTURBED_TESTS: usize = 8;

/// The built tests, and how long they take without a mutant.
pub(super) struct Trials<'a> {
    pub(super) tree: &'a Path,
    pub(super) programs: BTreeMap<Binary, PathBuf>,
    pub(super) servers: Servers,
    pub(super) usual: BTreeMap<Part, Duration>,
    /// Tests that fail as they are.
    pub(super) left_out: Vec<String>,
}

impl Trials<'_> {
    /// Runs them as they are. A test that fails then tells nothing of mutants, and is left out: whether it
    /// should pass is the business of `cargo xtask test`.
    ///
    /// # Errors
    /// When many fail, or a program does not end.
    pub(super) fn measure(&mut self, suite: &[Part]) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for part in suite {
            let mut failed = 0;
            let took = loop {
                let started = Instant::now();
                match self.judge(None, part, Duration::from_mins(10))? {
                    None => break started.elapsed(),
                    Some(Verdict::Caught(test)) if failed < DISTURBED_TESTS => {
                        failed += 1;
                        println!("left out, because it fails without a mutant: {test}");
                        self.left_out.push(test);
                    }
                    Some(verdict) => {
                        bail!("without a mutant: {}: {verdict:?}", part.binary.package)
                    }
                }
            };
            total += took;
            self.usual.insert(part.clone(), took);
        }
        Ok(total)
    }

    /// What the tests say of a mutant.
    ///
    /// # Errors
    /// When a program does not start.
    pub(super) fn of(&mut self, mutant: &str, suite: &[Part]) -> Result<Verdict> {
        for part in suite {
            let usual = self.usual.get(part).copied().unwrap_or_default();
            let patience = (usual * PATIENCE.0).max(PATIENCE.1);
            if let Some(verdict) = self.judge(Some(mutant), part, patience)? {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Missed)
    }

    /// `None`: they pass. A test that fails only beside others proves nothing.
    fn judge(
        &mut self,
        mutant: Option<&str>,
        part: &Part,
        patience: Duration,
    ) -> Result<Option<Verdict>> {
        let (binary, mut left_out) = (&part.binary, self.left_out.clone());
        let most = left_out.len() + DISTURBED_TESTS;
        while left_out.len() <= most {
            let skipped = left_out.iter().flat_map(|name: &String| ["--skip", name]);
            let arguments: Vec<&str> = part.filters.iter().copied().chain(skipped).collect();
            match self.run(mutant, binary, &arguments, patience)? {
                End::Passed => return Ok(None),
                End::BrokeOff => return Ok(Some(Verdict::Caught("the program broke off".into()))),
                End::Hung => return Ok(Some(Verdict::Hung)),
                End::Failed(test) => {
                    match self.run(mutant, binary, &["--exact", &test], patience)? {
                        End::Passed => {
                            println!("          {test} failed beside others and passes alone");
                            left_out.push(test);
                        }
                        _ => return Ok(Some(Verdict::Caught(test))),
                    }
                }
            }
        }
        Ok(None)
    }

    fn run(
        &mut self,
        mutant: Option<&str>,
        binary: &Binary,
        arguments: &[&str],
        patience: Duration,
    ) -> Result<End> {
        let program = self.programs.get(binary).context("it was not built")?;
        let folder = self.tree.join(binary.manifest());
        let folder = folder.parent().unwrap_or(self.tree);
        let mut command = run::command(program, folder, &self.servers, mutant);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.servers.guard.spawn(&mut command)?;
        let pipe = child.stdout.take().context("the output is piped")?;
        let (lines, said) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let started = Instant::now();
        let early = loop {
            match said.recv_timeout(patience.saturating_sub(started.elapsed())) {
                Ok(line) => {
                    if let Some(test) = failed_test(&line) {
                        break Some(End::Failed(test.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => break Some(End::Hung),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if early.is_some() {
            child.kill()?;
        }
        let status = child.wait()?;
        self.servers.guard.forget(&child)?;
        // After the end: a process that a test left behind may hold the pipe, so nobody waits for the reader.
        drop((said, reader));
        Ok(early.unwrap_or(if status.success() { End::Passed } else { End::BrokeOff }))
    }
}

/// The name in `test a::b ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::failed_test;

    #[test]
    fn a_failed_test_is_read_from_its_line() {
        assert_eq!(failed_test("test a::b ... FAILED"), Some("a::b"));
        assert_eq!(failed_test("test a::c - should panic ... FAILED"), Some("a::c"));
        assert_eq!(failed_test("test a::b ... ok"), None);
        assert_eq!(failed_test("FAILED"), None);
    }
}
