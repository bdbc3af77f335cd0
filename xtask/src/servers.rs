//! The servers of a run; on Debian, as root, missing programs are installed first.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use alpine_testing::servers::{Servers, programs};
use anyhow::{Context as _, Result, bail};

/// What installs them; it says what it does.
const SCRIPT: &str = ".ci/install-servers";

/// Starts the servers that all tests share.
///
/// # Errors
/// When a program is missing and may not be installed, or does not start.
pub(crate) fn start() -> Result<Servers> {
    install_missing()?;
    Servers::start()
}

/// Sees to it that the programs are there.
///
/// # Errors
/// When one is missing and may not be installed; the error says what to do.
pub(crate) fn install_missing() -> Result<()> {
    let Err(missing) = programs::find() else { return Ok(()) };
    if !Path::new("/etc/debian_version").exists() || !programs::is_root() {
        return Err(missing);
    }
    println!("servers are missing: running {SCRIPT}");
    let script = crate::workspace::root().join(SCRIPT);
    let status = Command::new(script).stdin(Stdio::null()).status().context(SCRIPT)?;
    if !status.success() {
        bail!("{SCRIPT} failed ({status})");
    }
    programs::find()
}
