//! Mutants that cargo-mutants makes of the code, and the narrowest tests of each crate.
//!
//! cargo-mutants lists them. They are built as the lists under `xtask/mutants` are: all in one build, in a copy,
//! each behind a switch. Built one after the other, as cargo-mutants does it, each would cost a compilation
//! of its crate and of the tests, which is more than the tests take. Those that do not compile beside
//! others (in a `const fn`, say) are built alone.

mod base;
mod compile;
mod harmless;
mod mutant;
mod report;
mod sample;
mod suites;
mod switches;
mod tool;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use self::{
    base::Base,
    harmless::Harmless,
    mutant::Mutant,
    report::{Fate, Report},
    sample::Shard,
    suites::Part,
    tool::Wanted,
    trial::Trials,
};

/// Which mutants, and for how long.
#[derive(clap::Args)]
pub(super) struct MadeArguments {
    /// Mutants of what differs from a commit: by default from where the branch left `origin/main`. Ten
    /// minutes at most
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "", conflicts_with = "whole")]
    changed: Option<String>,
    /// All mutants of a crate: `domain` for example
    #[arg(long, value_name = "CRATE")]
    whole: Option<String>,
    /// Only a part of them, by chance: the part K of N, from 0 on
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Decides about the chance; by default the commit
    #[arg(long)]
    seed: Option<String>,
    /// Only those whose names match this regular expression
    #[arg(long, value_name = "EXPRESSION")]
    named: Option<String>,
    /// Stop after so long
    #[arg(long)]
    minutes: Option<u64>,
}

/// What a change may cost at most.
const MINUTES_OF_A_CHANGE: u64 = 10;

/// More are not built for a change: they could not be tried in time, and their build takes longer.
const MOST_OF_A_CHANGE: usize = 120;

/// Proves that the list of harmless mutants is not stale; returns how many there are.
///
/// # Errors
/// What is.
pub(super) fn check() -> Result<usize> {
    Harmless::read(crate::workspace::root())?.check(crate::workspace::root())
}

/// Whether the tests of each crate notice as many mutants as its standard asks for.
pub(super) fn run(arguments: &MadeArguments) -> Result<bool> {
    let started = Instant::now();
    let folder = crate::workspace::root().join("target/mutants");
    fs::create_dir_all(&folder).context("target/mutants")?;
    let changed = arguments.changed.is_some();
    let wanted = wanted(arguments, &folder)?;
    let all = tool::list(&wanted)?;
    if all.is_empty() {
        println!("cargo-mutants makes no mutants of that");
        return Ok(true);
    }
    let commit = base::commit("HEAD")?.unwrap_or_default();
    let seed = arguments.seed.clone().unwrap_or(commit);
    println!("{} mutants, in the order of the seed {seed}", all.len());
    let count = all.len();
    let mut mutants = sample::shuffle(all, |mutant| &mutant.name, &seed, arguments.shard);
    if changed {
        mutants.truncate(MOST_OF_A_CHANGE);
    }
    let minutes = arguments.minutes.or(changed.then_some(MINUTES_OF_A_CHANGE));
    let until = minutes.map(|minutes| started + Duration::from_mins(minutes));
    let mut run = Run { folder, until, report: Report::default() };
    let tried = run.all(mutants)?;
    let is_good = run.report.finish(tried, count);
    println!("after {} s", started.elapsed().as_secs());
    let is_of_no_change = changed && wanted.changed.is_none();
    if is_of_no_change && !is_good {
        println!(
            "what is missed here may have stood before the change, so it is told and fails nothing"
        );
    }
    Ok(is_good || is_of_no_change)
}

/// Says what is looked at, and leaves the difference where cargo-mutants finds it.
fn wanted<'a>(arguments: &'a MadeArguments, folder: &Path) -> Result<Wanted<'a>> {
    let package = arguments
        .whole
        .as_ref()
        .map(|name| format!("alpine-{}", name.trim_start_matches("alpine-")));
    let mut wanted = Wanted { package, changed: None, named: arguments.named.as_deref() };
    let Some(base) = &arguments.changed else { return Ok(wanted) };
    match base::choose(Some(base.as_str()).filter(|base| !base.is_empty()))? {
        Base::Since(commit, why) => {
            println!("mutants of what changed since {commit} ({why})");
            let file = folder.join("change.diff");
            fs::write(&file, base::difference(&commit)?).context("change.diff")?;
            wanted.changed = Some(file);
        }
        Base::None(why) => println!("{why}: a part of all mutants instead of those of a change"),
    }
    for file in base::unknown_files()? {
        println!("left out, because git does not know it yet: {file}");
    }
    Ok(wanted)
}

/// A copy of the tree, and what is found in it.
struct Run {
    folder: PathBuf,
    until: Option<Instant>,
    report: Report,
}

impl Run {
    /// Tries all, or as many as there is time for; returns how many.
    fn all(&mut self, mutants: Vec<Mutant>) -> Result<usize> {
        let (mutants, mut tried) = self.without_harmless(mutants)?;
        if mutants.is_empty() {
            return Ok(tried);
        }
        let packages: BTreeSet<&str> =
            mutants.iter().map(|mutant| mutant.package.as_str()).collect();
        let suites: BTreeMap<&str, Vec<Part>> = packages
            .into_iter()
            .map(|package| Ok((package, suites::of(package)?)))
            .collect::<Result<_>>()?;

        let tree = self.folder.join("made/tree");
        let binaries = suites.values().flatten().map(|part| &part.binary).collect();
        println!("building {} in one program", mutants.len());
        let together = compile::together(&tree, artifacts(), &mutants, &binaries)?;
        let mut trials = Trials {
            tree: &tree,
            programs: together.programs,
            servers: crate::servers::start()?,
            usual: BTreeMap::new(),
            left_out: Vec::new(),
        };
        for (package, suite) in &suites {
            let took = trials.measure(suite)?;
            println!("{package}: {:.1} s of tests without a mutant", took.as_secs_f64());
        }
        let inside = together.inside.into_iter().map(|index| (index, false));
        for (index, is_alone) in inside.chain(together.left.into_iter().map(|index| (index, true)))
        {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(tried);
            }
            let mutant = &mutants[index];
            let suite = &suites[mutant.package.as_str()];
            let fate = try_one(&mut trials, mutant, suite, is_alone)?;
            self.report.add(mutant, &fate);
            tried += 1;
        }
        Ok(tried)
    }

    /// Those that are to be tried, and how many are listed.
    fn without_harmless(&mut self, mutants: Vec<Mutant>) -> Result<(Vec<Mutant>, usize)> {
        let root = crate::workspace::root();
        let harmless = Harmless::read(root)?;
        let (mut others, mut listed) = (Vec::new(), 0);
        for mutant in mutants {
            let text =
                fs::read_to_string(root.join(&mutant.file)).with_context(|| mutant.file.clone())?;
            match harmless.reason(&mutant, &text) {
                Some(reason) => {
                    self.report.add(&mutant, &Fate::Harmless(reason.to_owned()));
                    listed += 1;
                }
                None => others.push(mutant),
            }
        }
        Ok((others, listed))
    }
}

/// Where the copy is built. Never in the tree's own target folder, nor in that of the lists: cargo names what it
/// builds by the path inside of the workspace, so it would take a mutant for the tree's own crate, and reuse it.
fn artifacts() -> &'static Path {
    static ARTIFACTS: LazyLock<PathBuf> =
        LazyLock::new(|| crate::workspace::root().join("target/mutants/made/build"));
    &ARTIFACTS
}

/// Runs the tests with a mutant, which is built first where it could not be built beside others.
fn try_one(
    trials: &mut Trials<'_>,
    mutant: &Mutant,
    suite: &[Part],
    is_alone: bool,
) -> Result<Fate> {
    if is_alone {
        let binaries = suite.iter().map(|part| &part.binary).collect();
        match compile::alone(trials.tree, artifacts(), mutant, &binaries)? {
            Some(programs) => trials.programs = programs,
            None => return Ok(Fate::Unviable),
        }
    }
    Ok(Fate::Tried(trials.of(&mutant.name, suite)?))
}
