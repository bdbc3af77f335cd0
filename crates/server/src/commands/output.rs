//! What commands print.

use std::io::Write as _;

use anyhow::Result;

use crate::config;

/// Says on standard error which variables look like settings and are none.
pub(super) fn warn(layers: &config::Layers) {
    for warning in &layers.warnings {
        eprintln!("warning: {warning}");
    }
}

/// Prints on standard output. Unlike `print!` it does not panic when nobody reads it any more.
///
/// # Errors
/// When it cannot be written.
pub(super) fn tell(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}
