//! `alpine sign`: signals with the hash that Alpine expects, without any server.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use alpine_domain::{Clock as _, Error, signal::sign, time::SystemClock};
use anyhow::{Context as _, Result, ensure};

use super::output::tell;
use crate::cli::SignArgs;

/// Bytes of a line at most, as a server takes them.
const LONGEST_LINE: u64 = 1 << 20;

pub(super) fn run(arguments: &SignArgs) -> Result<()> {
    let name = || format!("cannot read {}", arguments.file.display());
    let input: Box<dyn Read> = if arguments.file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&arguments.file).with_context(name)?)
    };
    let mut input = BufReader::new(input);
    let (mut refused, mut number) = (0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).with_context(name)? == 0 {
            break;
        }
        number += 1;
        // One object may be written over several lines.
        if number == 1 && !is_whole(&line) {
            input.by_ref().take(LONGEST_LINE).read_to_end(&mut line).with_context(name)?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match sign(&line, SystemClock.now()) {
            Ok(signed) => {
                tell(&format!("{}\n", if arguments.text { signed.text } else { signed.line }))?;
            }
            Err(Error::Invalid(errors) | Error::Malformed(errors)) => {
                refused += 1;
                for error in errors {
                    eprintln!("line {number}: {} {}", error.field, error.message);
                }
            }
            Err(other) => return Err(other.into()),
        }
    }
    ensure!(number > 0, "{} holds no signal", arguments.file.display());
    ensure!(refused == 0, "{refused} signals would be refused, so they were not signed");
    Ok(())
}

/// Whether a line is a JSON value by itself.
fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(
        line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
    )
    .is_ok()
}
