//! `cargo xtask mutants`: proves that tests depend on the mechanisms that they are named after.
//!
//! A list under `xtask/mutants` says how each mechanism is taken out of the code, and which tests must
//! then fail. A test that passes all the same proves nothing: the mutant has survived, and the chore
//! fails. All mutants are built at once, in a copy of the tree below `target/mutants`.

mod build;
mod copy;
mod list;
mod made;
mod run;
mod switch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use alpine_testing::servers::{Guard, Servers};
use anyhow::{Context as _, Result, bail};

use build::Built;
use list::{Binary, List, Test};

/// Takes mechanisms out of a copy of the code, one after the other, and shows that their tests notice.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which list under `xtask/mutants`: `hot-path` for example
    #[arg(required_unless_present_any = ["changed", "whole"], conflicts_with_all = ["changed", "whole"])]
    subject: Option<String>,
    /// Only mutants whose names contain this
    only: Option<String>,
    #[command(flatten)]
    made: made::MadeArguments,
}

/// A test that runs for so long hangs, which nobody would call passing.
const PATIENCE: Duration = Duration::from_secs(90);

/// Proves that every mutant of every list can be made; returns how many there are.
///
/// # Errors
/// Every edit that does not apply, and why.
pub(crate) fn check() -> Result<String> {
    let folder = crate::workspace::root().join(list::FOLDER);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).context(list::FOLDER)? {
        let list = List::read(&entry?.path())?;
        list.apply(crate::workspace::root())?;
        count += list.mutants.len();
    }
    Ok(format!("{count} apply, {} are listed as harmless", made::check()?))
}

/// Whether every test passes as it is, and fails without each of its mechanisms.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let Some(subject) = &arguments.subject else { return made::run(&arguments.made) };
    let path = crate::workspace::root().join(list::FOLDER).join(format!("{subject}.toml"));
    let mut list = List::read(&path)?;
    let changed = list.apply(crate::workspace::root())?;
    let folder = crate::workspace::root().join("target/mutants");
    copy::copy(crate::workspace::root(), &folder.join("tree"), &changed)?;
    let only = arguments.only.as_deref().unwrap_or_default();
    list.mutants.retain(|mutant| mutant.name.contains(only));
    if list.mutants.is_empty() {
        bail!("no mutant is named like `{only}`");
    }

    let tests: BTreeSet<&Test> = list.mutants.iter().flat_map(|mutant| &mutant.tests).collect();
    let wanted = tests.iter().map(|test| &test.binary).collect();
    let binaries = match build::build(&folder.join("tree"), &folder.join("build"), &wanted)? {
        Built::Programs(programs) => programs,
        Built::Refused(all) => {
            let told: Vec<_> = all.iter().filter_map(|it| it.rendered.as_deref()).collect();
            bail!("the tests do not build with the mutants in them:\n{}", told.join("\n"));
        }
    };
    let mut bench = Bench {
        tree: folder.join("tree"),
        binaries,
        servers: crate::servers::start()?,
        unchanged: BTreeMap::new(),
    };
    let mut all_noticed = true;
    println!("{:<24} {:<9} {:<9} test", "mutant", "unchanged", "mutated");
    for mutant in &list.mutants {
        for test in &mutant.tests {
            let before = bench.passes_unchanged(test)?;
            let after = bench.run(test, Some(&mutant.name))?;
            let is_noticed = before && !after;
            all_noticed &= is_noticed;
            println!(
                "{:<24} {:<9} {:<9} {}",
                mutant.name,
                if before { "passes" } else { "FAILS" },
                if after { "PASSES" } else { "fails" },
                test.name,
            );
            if !is_noticed {
                println!("    proves nothing about {}", mutant.without);
            }
        }
    }
    println!("{}", if all_noticed { "every mutant was noticed" } else { "mutants survive" });
    Ok(all_noticed)
}

/// Built tests, servers for them, and what is known of the tests as they are.
struct Bench {
    tree: PathBuf,
    binaries: BTreeMap<Binary, PathBuf>,
    servers: Servers,
    unchanged: BTreeMap<Test, bool>,
}

impl Bench {
    fn passes_unchanged(&mut self, test: &Test) -> Result<bool> {
        if let Some(known) = self.unchanged.get(test) {
            return Ok(*known);
        }
        let passes = self.run(test, None)?;
        self.unchanged.insert(test.clone(), passes);
        Ok(passes)
    }

    /// Whether the test passes, in the tree as it is or with one mutant chosen.
    fn run(&mut self, test: &Test, mutant: Option<&str>) -> Result<bool> {
        let program = self.binaries.get(&test.binary).context("it was not built")?;
        let mut command = run::command(program, &self.tree, &self.servers, mutant);
        command.args(["--exact", &test.name, "--test-threads=1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.servers.guard.spawn(&mut command)?;
        let (status, output) = wait(&mut child, &mut self.servers.guard)?;
        let Some(status) = status else { return Ok(false) };
        if !output.contains("running 1 test") {
            bail!("{} has no test {}", test.binary.package, test.name);
        }
        Ok(status.success())
    }
}

/// Waits for the end, and for so long at most; what it printed on the way. `None` if it was ended.
fn wait(child: &mut Child, guard: &mut Guard) -> Result<(Option<ExitStatus>, String)> {
    let pipe = child.stdout.take().context("the output is piped")?;
    let reader = std::thread::spawn(move || std::io::read_to_string(pipe));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    guard.forget(child)?;
    let output = reader.join().map_err(|_| anyhow::anyhow!("reading the output panicked"))??;
    Ok((status, output))
}

#[cfg(test)]
mod tests {
    /// An edit that no longer fits the code is noticed by the tests, long before somebody runs the mutants.
    #[test]
    fn every_mutant_can_be_made() {
        super::check().unwrap();
    }
}
