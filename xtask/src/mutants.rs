//! `cargo xtask mutants`: proves that tests depend on the mechanisms that they are named after.
//!
//! Each mechanism can be switched off (`alpine_infra::mutants` names them all). A test that passes all
//! the same proves nothing about it: the mutant has survived, and the chore fails.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use alpine_testing::servers::{Guard, Servers};
use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

/// Switches mechanisms off, one after the other, and shows that their tests notice.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to examine
    #[arg(value_enum)]
    subject: Subject,
    /// Only mechanisms whose names contain this
    only: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Cache, rate limiter, blacklist, event log and the circuit before Redis
    HotPath,
}

/// A test binary, by its package and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suite {
    /// The adapters, several of them over one Redis.
    Infra,
    /// Whole instances, over sockets.
    EndToEnd,
}

impl Suite {
    const fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::Infra => ("alpine-infra", "suite"),
            Self::EndToEnd => ("alpine-server", "e2e"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Infra => "infra",
            Self::EndToEnd => "e2e",
        }
    }
}

const INFRA: Suite = Suite::Infra;
const E2E: Suite = Suite::EndToEnd;

/// Which tests must fail without which mechanism: the complete list, which a test below holds against
/// the switches. Names are those that the test binaries know, less the module of all invariants.
#[rustfmt::skip]
const HOT_PATH: &[(&str, Suite, &str)] = &[
    ("own-part", INFRA, "limiter::invariant_01_a_coarse_policy_costs_nothing_until_somebody_asks_much"),
    ("own-part", E2E, "outage::invariant_01_a_first_request_of_a_new_caller_costs_one_command"),
    ("limiter-lease", INFRA, "limiter::invariant_01_a_request_costs_at_most_one_command_and_with_leases_a_fraction"),
    ("limiter-lease", E2E, "outage::invariant_01_a_request_costs_at_most_one_command_and_a_busy_caller_s_a_fraction"),
    ("local-denial", INFRA, "limiter::invariant_01_a_refusal_by_redis_is_remembered"),
    ("limiter-trailing-bucket", INFRA, "limiter::invariant_02_a_sub_bucket_that_is_partly_outside_the_window_counts"),
    ("limiter-trailing-bucket", E2E, "limits::invariant_02_no_interval_holds_more_than_the_limit_and_no_clock_changes_that"),
    ("limiter-server-clock", INFRA, "limiter::invariant_02_admissions_never_exceed_the_limit_whatever_the_hosts_clocks_say"),
    ("limiter-server-clock", E2E, "limits::invariant_02_no_interval_holds_more_than_the_limit_and_no_clock_changes_that"),
    ("lease-charge-late", INFRA, "limiter::invariant_02_a_lease_spent_at_its_last_moment_still_counts"),
    ("fallback-share", INFRA, "loss::invariant_09_a_redis_that_answers_around_its_deadline_admits_less_than_one_extra_limit"),
    ("fallback-share", INFRA, "limiter::invariant_02_without_redis_each_instance_admits_its_part"),
    ("fallback-share", E2E, "limits::invariant_02_without_redis_all_instances_together_admit_no_more_than_the_limit"),
    ("limiter-all-or-nothing", INFRA, "limiter::invariant_03_a_denial_in_one_window_debits_none"),
    ("limiter-all-or-nothing", E2E, "limits::invariant_03_a_denial_in_one_window_debits_none"),
    ("blacklist-local-set", INFRA, "blacklist::invariant_04_a_logout_holds_everywhere_whatever_becomes_of_redis"),
    ("blacklist-local-set", E2E, "revocation::invariant_04_after_a_logout_no_instance_accepts_the_token_whatever_becomes_of_redis"),
    ("freshness-proof", INFRA, "blacklist::invariant_04_who_cannot_read_the_log_lets_nobody_in"),
    ("freshness-proof", E2E, "freshness::invariant_11_with_database_and_redis_away_tokens_are_refused_and_public_bodies_end_in_time"),
    ("cache-generation-check", INFRA, "cache::invariant_06_who_applied_a_change_finds_nothing_older_on_any_level"),
    ("cache-generation-check", E2E, "cache::invariant_06_no_read_that_starts_after_a_change_was_applied_returns_an_older_body"),
    ("load-race-check", INFRA, "cache::invariant_06_a_load_racing_an_invalidation_is_not_stored"),
    ("shared-generations", INFRA, "cache::invariant_06_nothing_that_redis_finds_again_is_served"),
    ("shared-generations", E2E, "cache::invariant_06_no_read_that_starts_after_a_change_was_applied_returns_an_older_body"),
    ("single-flight", INFRA, "cache::invariant_07_without_redis_there_is_one_load_per_instance"),
    ("single-flight", E2E, "cache::invariant_07_a_thousand_readers_of_an_expired_key_cause_one_load"),
    ("load-lease", INFRA, "cache::invariant_07_a_thousand_readers_on_three_instances_cause_one_load"),
    ("load-lease", E2E, "cache::invariant_07_a_thousand_readers_of_an_expired_key_cause_one_load"),
    ("load-deadline", INFRA, "cache::invariant_07_a_hung_loader_frees_the_key_at_its_deadline"),
    ("breaker", INFRA, "breaker::invariant_08_nobody_waits_for_a_stopped_redis"),
    ("breaker", E2E, "outage::invariant_08_a_silent_redis_delays_nobody_by_more_than_one_deadline_and_then_nobody"),
    ("redis-deadline", INFRA, "breaker::invariant_08_nobody_waits_for_a_stopped_redis"),
    ("redis-deadline", E2E, "outage::invariant_08_a_stopped_redis_adds_no_more_than_25_milliseconds"),
    ("redis-deadline", E2E, "outage::invariant_08_a_silent_redis_delays_nobody_by_more_than_one_deadline_and_then_nobody"),
    ("debt-after-outage", INFRA, "loss::invariant_09_what_was_admitted_during_an_outage_is_charged_before_redis_is_used_again"),
    ("loss-detection", INFRA, "loss::invariant_09_an_unseen_flushall_is_noticed_by_the_next_call"),
    ("cache-scope", INFRA, "cache::invariant_10_no_body_crosses_scopes"),
    ("cache-scope", E2E, "cache::invariant_10_nobody_receives_a_body_made_for_another_scope"),
    ("ttl-grace-bound", INFRA, "cache::invariant_11_a_stale_body_is_never_older_than_ttl_and_grace"),
    ("ttl-grace-bound", E2E, "freshness::invariant_11_with_database_and_redis_away_tokens_are_refused_and_public_bodies_end_in_time"),
    ("cache-bound", INFRA, "bounds::invariant_12_the_cache_stays_within_its_bytes_and_entries"),
    ("limiter-bound", INFRA, "bounds::invariant_12_the_limiter_counts_a_bounded_number_of_callers"),
    ("blacklist-bound", INFRA, "bounds::invariant_12_the_blacklist_is_bounded_and_refuses_to_guess_beyond"),
    ("user-generation", E2E, "revocation::invariant_05_signing_out_everywhere_spares_who_signs_in_again_in_the_same_second"),
    ("user-generation", E2E, "revocation::invariant_05_signing_everybody_out_spares_who_signs_in_again_in_the_same_second"),
    ("trusted-proxies", E2E, "addresses::invariant_14_the_rightmost_hop_that_no_proxy_of_ours_is_counts"),
    ("trusted-proxies", E2E, "addresses::invariant_14_nothing_is_believed_of_a_peer_that_is_no_proxy_of_ours"),
    ("follower-poll", INFRA, "blacklist::invariant_13_a_lost_wake_up_is_noticed_within_delta"),
    ("follower-poll", E2E, "freshness::invariant_13_a_lost_wake_up_is_noticed_by_the_poll"),
];

/// A test that runs for so long hangs, which nobody would call passing.
const PATIENCE: Duration = Duration::from_secs(90);

/// One test in its binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    suite: Suite,
    name: &'static str,
}

impl Test {
    fn full_name(self) -> String {
        let module = match self.suite {
            Suite::Infra => "invariants",
            Suite::EndToEnd => "hot_path",
        };
        format!("{module}::{}", self.name)
    }
}

/// Whether every test passes as it is, and fails without each of its mechanisms.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let Subject::HotPath = arguments.subject;
    let only = arguments.only.as_deref().unwrap_or_default();
    let chosen: Vec<(&str, Test)> = HOT_PATH
        .iter()
        .filter(|(mechanism, ..)| mechanism.contains(only))
        .map(|(mechanism, suite, name)| (*mechanism, Test { suite: *suite, name }))
        .collect();
    if chosen.is_empty() {
        bail!("no mechanism is named like `{only}`");
    }

    let binaries = build()?;
    let mut bench = Bench { binaries, servers: Servers::start()?, unchanged: BTreeMap::new() };
    let mut all_noticed = true;
    println!("{:<24} {:<6} {:<9} {:<9} test", "mechanism", "suite", "with it", "without");
    for (mechanism, test) in chosen {
        let with = bench.passes_unchanged(test)?;
        let without = bench.run(test, Some(mechanism))?;
        let is_noticed = with && !without;
        all_noticed &= is_noticed;
        println!(
            "{mechanism:<24} {:<6} {:<9} {:<9} {}{}",
            test.suite.name(),
            if with { "passes" } else { "FAILS" },
            if without { "PASSES" } else { "fails" },
            test.name,
            if is_noticed { "" } else { "  <-- proves nothing" },
        );
    }
    println!("{}", if all_noticed { "every mutant was noticed" } else { "mutants survive" });
    Ok(all_noticed)
}

/// Builds the suites with the switches in them, once.
fn build() -> Result<BTreeMap<Suite, PathBuf>> {
    let mut command = crate::cargo();
    command.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    for suite in [INFRA, E2E] {
        let (package, target) = suite.target();
        command.args(["--package", package, "--test", target]);
    }
    command.args(["--features", "alpine-infra/mutants"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the tests do not build with the feature `mutants`");
    }
    let mut binaries = BTreeMap::new();
    for message in Message::parse_stream(&output.stdout[..]) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let Some(program) = artifact.executable.filter(|_| artifact.profile.test) else { continue };
        if let Some(suite) = [INFRA, E2E].into_iter().find(|s| s.target().1 == artifact.target.name)
        {
            binaries.insert(suite, program.into_std_path_buf());
        }
    }
    Ok(binaries)
}

/// Built tests, servers for them, and what is known of the tests as they are.
struct Bench {
    binaries: BTreeMap<Suite, PathBuf>,
    servers: Servers,
    unchanged: BTreeMap<Test, bool>,
}

impl Bench {
    fn passes_unchanged(&mut self, test: Test) -> Result<bool> {
        if let Some(known) = self.unchanged.get(&test) {
            return Ok(*known);
        }
        let passes = self.run(test, None)?;
        self.unchanged.insert(test, passes);
        Ok(passes)
    }

    /// Whether the test passes, with one mechanism switched off if so wanted.
    fn run(&mut self, test: Test, off: Option<&str>) -> Result<bool> {
        let program = self.binaries.get(&test.suite).context("cargo told of no such binary")?;
        let mut command = Command::new(program);
        command
            .args(["--exact", &test.full_name(), "--test-threads=1"])
            .current_dir(crate::root())
            .envs(self.servers.environment())
            // Nothing is skipped, and nothing is read from a system that runs here.
            .env("CI", "true")
            .env("ALPINE_MUTANT", off.unwrap_or_default())
            // Failing inputs of a mutant are none to be remembered.
            .env("PROPTEST_FAILURE_PERSISTENCE", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        crate::test::keep_out_settings(&mut command);
        let mut child = self.servers.guard.spawn(&mut command)?;
        let (status, output) = wait(&mut child, &mut self.servers.guard)?;
        let Some(status) = status else { return Ok(false) };
        if !output.contains("running 1 test") {
            bail!("{} has no test {}", test.suite.name(), test.full_name());
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
    use super::*;

    #[test]
    fn every_test_is_named_after_an_invariant() {
        for (mechanism, _, test) in HOT_PATH {
            assert!(test.contains("::invariant_"), "{mechanism}: {test}");
        }
    }
}
