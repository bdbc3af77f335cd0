//! Chores of the crate `alpine-tools`, which is compiled when one of them is called.

use std::{ffi::OsString, process::Command};

use anyhow::{Context as _, Result};

/// What the chore itself understands; `--help` lists it.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Arguments for the tool, passed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    passed_on: Vec<OsString>,
}

/// Runs a chore in the caller's folder, on the caller's terminal.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(chore: &str, arguments: &Arguments) -> Result<bool> {
    let status = command().arg(chore).args(&arguments.passed_on).status();
    Ok(status.context("cannot start cargo")?.success())
}

/// `alpine-tools`, built if it is not, and ready to take its arguments.
pub(crate) fn command() -> Command {
    let mut command = crate::workspace::cargo();
    // Of the whole workspace: for one package alone cargo takes other features of its dependencies, and compiles each anew.
    let manifest = crate::workspace::root().join("Cargo.toml");
    command.args(["run", "--quiet", "--bin", "alpine-tools", "--manifest-path"]);
    command.arg(manifest).arg("--");
    if let Ok(folder) = std::env::current_dir() {
        command.current_dir(folder);
    }
    command
}
