//! Chores of the crate `alpine-tools`, which is compiled when one of them is called.

use std::{ffi::OsString, process::Command};

use anyhow::{Context as _, Result, ensure};

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
/// When it cannot be built or started.
pub(crate) fn run(chore: &str, arguments: &Arguments) -> Result<bool> {
    let status = command()?.arg(chore).args(&arguments.passed_on).status();
    Ok(status.context("cannot start alpine-tools")?.success())
}

/// `alpine-tools`, built if it is not, and ready to take its arguments.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn command() -> Result<Command> {
    // With the whole workspace: for one package alone cargo takes other features of its dependencies, and compiles each anew.
    let mut build = crate::workspace::cargo();
    build.args(["build", "--quiet", "--workspace", "--bin", "alpine-tools"]);
    ensure!(build.status().context("cannot start cargo")?.success(), "alpine-tools is not built");
    let own = std::env::current_exe().context("where xtask stands")?;
    let mut command = Command::new(own.with_file_name("alpine-tools"));
    // As cargo would: the workspace is where it was built.
    command.env("CARGO_MANIFEST_DIR", crate::workspace::root().join("crates/tools"));
    Ok(command)
}
