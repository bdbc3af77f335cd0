//! `cargo xtask fuzz`: runs what parses against laws, with inputs that libFuzzer makes.
//!
//! A target starts from the inputs in `fuzz/corpus` and keeps what it finds new below `target/fuzz`. A law
//! that does not hold leaves the input there and fails the chore.

mod build;
pub(crate) mod rustc;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Runs fuzz targets. Needs a C++ compiler, and `python3` for the target `oracle`; without a target, lists
/// them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this target
    target: Option<String>,
    /// Every target, as many at once as there are processors
    #[arg(long, conflicts_with = "target")]
    all: bool,
    /// How long each target makes inputs, after those that are kept
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Adds to `fuzz/corpus` those inputs found before that reach something new, and no others
    #[arg(long, requires = "target")]
    keep: bool,
}

/// The variable that names the target to the program.
const CHOSEN: &str = "ALPINE_FUZZ_TARGET";
/// Bytes of an input at most.
const LONGEST: u32 = 4_096;
/// Bytes of all inputs that are kept in the repository, at most.
const LARGEST_CORPUS: u64 = 500_000;
/// Seconds for one input, and memory in MiB: beyond, it is a find.
const PATIENCE: u32 = 30;
const MEMORY: u32 = 1_024;

/// Whether no target found anything.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let program = Program::build()?;
    match &arguments.target {
        None if !arguments.all => {
            println!("{}", program.targets()?.join("\n"));
            Ok(true)
        }
        Some(target) if arguments.keep => program.keep(target),
        Some(target) => program.run(&[(target.clone(), arguments.seconds)], &[]),
        None => {
            let targets = program.targets()?.into_iter();
            let targets: Vec<_> = targets.map(|target| (target, arguments.seconds)).collect();
            program.run(&targets, &[])
        }
    }
}

/// Seconds for which a check runs a target, longer where inputs are slow or every one counts.
const CHECKED: u64 = 4;
const CHECKED_LONG: &[(&str, u64)] = &[("http", 25), ("oracle", 25), ("passwords", 10)];

/// One seed for libFuzzer, so that a check of one tree makes the same inputs every time, as far as it gets.
const CHECKED_SEED: &str = "-seed=1";

/// Runs every target for some seconds.
///
/// # Errors
/// When one does not compile or finds something, or the corpus is too large.
pub(crate) fn check() -> Result<String> {
    let program = Program::build()?;
    let size = size_of(&corpus())?;
    if size > LARGEST_CORPUS {
        bail!("fuzz/corpus holds {size} bytes, more than {LARGEST_CORPUS}");
    }
    let has_python = has_python();
    if !has_python && std::env::var("CI").is_ok_and(|value| value == "true") {
        bail!("the target oracle compares with python3, which is missing");
    }
    let chosen = chosen(program.targets()?, has_python);
    let seconds: u64 = chosen.iter().map(|(_, seconds)| seconds).sum();
    if !program.run(&chosen, &[CHECKED_SEED])? {
        bail!("a law does not hold, see above");
    }
    let without = if has_python { "" } else { "; without oracle, since there is no python3" };
    Ok(format!("{} targets, {seconds} s of inputs{without}", chosen.len()))
}

/// The targets that a check runs, and for how many seconds each: the longest first, so that processors are
/// done at about the same time.
fn chosen(targets: Vec<String>, has_python: bool) -> Vec<(String, u64)> {
    let able = targets.into_iter().filter(|target| has_python || target != "oracle");
    let timed = able.map(|target| {
        let own = CHECKED_LONG.iter().find(|(name, _)| *name == target);
        (target, own.map_or(CHECKED, |(_, seconds)| *seconds))
    });
    let mut chosen: Vec<_> = timed.collect();
    chosen.sort_by_key(|(_, seconds)| std::cmp::Reverse(*seconds));
    chosen
}

fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn corpus() -> PathBuf {
    crate::workspace::root().join("fuzz/corpus")
}

fn work() -> PathBuf {
    crate::workspace::root().join("target/fuzz")
}

/// Bytes of the files in the folders of a folder.
fn size_of(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += if found.is_dir() { size_of(&entry.path())? } else { found.len() };
    }
    Ok(sum)
}

/// The compiled targets.
struct Program(PathBuf);

impl Program {
    fn build() -> Result<Self> {
        build::program(&work()).map(Self)
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.0);
        crate::test::keep_out_settings(&mut command);
        command.env(CHOSEN, target).current_dir(work()).stdin(Stdio::null());
        command
    }

    fn targets(&self) -> Result<Vec<String>> {
        let output = self.command("").stderr(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("the targets cannot be listed");
        }
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    /// Runs targets for so many seconds each, with further options of libFuzzer, and says whether none found
    /// anything.
    fn run(&self, targets: &[(String, u64)], options: &[&str]) -> Result<bool> {
        let processors = std::thread::available_parallelism()?.get();
        let mut waiting = targets.iter();
        let mut running: Vec<Running> = Vec::new();
        let mut all_hold = true;
        loop {
            while running.len() < processors.min(targets.len())
                && let Some((target, seconds)) = waiting.next()
            {
                running.push(self.start(target, *seconds, options)?);
            }
            if running.is_empty() {
                return Ok(all_hold);
            }
            let mut still = Vec::new();
            for mut one in running {
                match one.child.try_wait()? {
                    Some(status) => all_hold &= one.report(status.success())?,
                    None => still.push(one),
                }
            }
            running = still;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn start(&self, target: &str, seconds: u64, options: &[&str]) -> Result<Running> {
        let (found, kept) = (work().join("corpus").join(target), corpus().join(target));
        let log = work().join(format!("{target}.log"));
        for folder in [&found, &kept] {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let dictionary = crate::workspace::root().join(format!("fuzz/dictionaries/{target}.txt"));
        let mut command = self.command(target);
        if dictionary.exists() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={LONGEST}"))
            .arg(format!("-timeout={PATIENCE}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-artifact_prefix={}/{target}-", work().display()))
            .arg("-print_final_stats=1")
            .args(options)
            .args([found, kept])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?);
        let child = command.spawn().context("the targets cannot be started")?;
        Ok(Running { target: target.to_owned(), child, log, started: Instant::now() })
    }

    /// Adds what was found before to the corpus of the repository, as far as it reaches something new.
    fn keep(&self, target: &str) -> Result<bool> {
        let (found, kept) = (work().join("corpus").join(target), corpus().join(target));
        let mut command = self.command(target);
        command.args(["-merge=1", &format!("-max_len={LONGEST}")]).args([&kept, &found]);
        let is_well = command.status()?.success();
        println!("fuzz/corpus holds {} bytes of {LARGEST_CORPUS}", size_of(&corpus())?);
        Ok(is_well)
    }
}

/// A target under way.
struct Running {
    target: String,
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Running {
    /// Says how it went. What it wrote is shown from the panic on, if it found something.
    fn report(&self, is_well: bool) -> Result<bool> {
        let log = String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned();
        let (runs, seconds) = (runs(&log), self.started.elapsed().as_secs());
        println!("{:<14} {runs:>12} inputs in {seconds:>4} s", self.target);
        if !is_well {
            println!("{}", find(&log));
            println!("the whole output is in {}", self.log.display());
        }
        Ok(is_well)
    }
}

/// How many inputs were tried, by what libFuzzer wrote; `?` when it did not get that far.
fn runs(log: &str) -> &str {
    let mut lines = log.lines();
    let found = lines.find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    found.map_or("?", str::trim)
}

/// What tells of the find: 60 lines from the panic on, or from libFuzzer's own words.
fn find(log: &str) -> String {
    let at = log.find("panicked at").or_else(|| log.find("==")).unwrap_or(0);
    let start = log[..at].rfind('\n').map_or(0, |line| line + 1);
    log[start..].lines().take(60).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_takes_the_longest_first_and_leaves_out_what_it_cannot_run() {
        let targets = || ["events", "oracle", "passwords", "numbers"].map(str::to_owned).to_vec();
        let named = |chosen: Vec<(String, u64)>| {
            chosen
                .into_iter()
                .map(|(name, seconds)| format!("{name} {seconds}"))
                .collect::<Vec<_>>()
        };
        let all = ["oracle 25", "passwords 10", "events 4", "numbers 4"];
        assert_eq!(named(chosen(targets(), true)), all);
        assert_eq!(named(chosen(targets(), false)), all[1..]);
    }

    #[test]
    fn what_libfuzzer_wrote_is_told_in_short() {
        let well = "INFO: Seed: 1\n#2 INITED\nstat::number_of_executed_units: 12345\nstat::x: 1\n";
        assert_eq!(runs(well), "12345");
        assert_eq!(runs("INFO: Seed: 1\n"), "?");
        let panic = "INFO: Seed: 1\n\nthread '<unnamed>' panicked at a.rs:1:\nno\n==7== ERROR\n";
        assert_eq!(find(panic), "thread '<unnamed>' panicked at a.rs:1:\nno\n==7== ERROR");
        let timeout = "INFO: Seed: 1\n==7== ERROR: libFuzzer: timeout\n";
        assert_eq!(find(timeout), "==7== ERROR: libFuzzer: timeout");
        let long = "x\n".repeat(100);
        assert_eq!(find(&long).lines().count(), 60);
        assert_eq!(find(""), "");
    }

    #[test]
    fn sizes_of_folders_add_up() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/one"), "123").unwrap();
        std::fs::write(folder.path().join("a/b/two"), "4567").unwrap();
        assert_eq!(size_of(folder.path()).unwrap(), 7);
        assert!(size_of(&folder.path().join("missing")).is_err());
    }
}
