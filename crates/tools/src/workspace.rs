//! Where the workspace is, and this program built in another way.

use std::process::Command;

use anyhow::{Context as _, Result};

/// The workspace's root, two folders above this crate.
pub(crate) fn root() -> &'static std::path::Path {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The same command, built with another profile: nobody serves with a debug build.
pub(crate) fn built_as(profile: &str) -> Result<bool> {
    eprintln!("building with the profile {profile}; the first time takes some minutes");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["run", "--quiet", "--profile", profile, "--package", "alpine-tools", "--"])
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}
