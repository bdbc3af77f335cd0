//! What commands print.

use std::io::Write as _;

use anyhow::Result;

/// Says on standard error what is to be thought of.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
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
