//! The checks of `cargo xtask check` that need the application.

mod migrations;
mod openapi;

use anyhow::Result;

/// One check, which prints a remark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which
    check: Check,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Check {
    /// The API's description
    Openapi,
    /// Migrations on both back ends
    Migrations,
}

/// Prints what was found worth a remark.
///
/// # Errors
/// Why the promise does not hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let remark = match arguments.check {
        Check::Openapi => openapi::check()?,
        Check::Migrations => migrations::check()?,
    };
    println!("{remark}");
    Ok(true)
}
