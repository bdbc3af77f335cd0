//! What shells and `man` know of the command line.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::output::tell;
use crate::cli::Cli;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "alpine", &mut text);
    tell(&String::from_utf8_lossy(&text))
}

/// Writes a page for each command.
pub(super) fn pages(folder: &Path) -> Result<()> {
    let at = || folder.display().to_string();
    std::fs::create_dir_all(folder).with_context(at)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(at)?;
    tell(&format!("wrote the manual into {}\n", folder.display()))
}
