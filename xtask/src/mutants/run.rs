//! How the program of a list or of made mutants is started.

use std::{path::Path, process::Command};

use alpine_testing::servers::Servers;

use super::switch::CHOSEN;

/// A test program with servers, and with one mutant chosen or none.
pub(super) fn command(
    program: &Path,
    folder: &Path,
    servers: &Servers,
    mutant: Option<&str>,
) -> Command {
    // A mutant that collects without end must not take the machine's memory: 12 GiB of addresses.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 12582912 && exec \"$0\" \"$@\""])
        .arg(program)
        .current_dir(folder)
        .envs(servers.environment())
        // Nothing is skipped, and nothing is read from a system that runs here.
        .env("CI", "true")
        .env(CHOSEN, mutant.unwrap_or_default())
        // Failing inputs of a mutant are none to be remembered, or made shorter.
        .env("PROPTEST_FAILURE_PERSISTENCE", "off")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0");
    crate::test::keep_out_settings(&mut command);
    command
}
