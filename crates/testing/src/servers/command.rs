//! Programs that run to their end.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a command to its end and returns its output; what it printed is part of the error.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({}):\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}
