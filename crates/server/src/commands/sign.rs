//! `alpine sign`: signals with the hash that Alpine expects, without any server.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use alpine_domain::{Clock as _, Error, signal::sign, time::SystemClock};
use anyhow::{Context as _, Result, ensure};

use super::output::tell;
use crate::cli::SignArgs;

/// Bytes of a signal at most, as a server takes them whose `http.body_limit` is as delivered.
const LONGEST: usize = 64 << 10;

pub(super) fn run(arguments: &SignArgs) -> Result<()> {
    let name = || format!("cannot read {}", arguments.file.display());
    let input: Box<dyn Read> = if arguments.file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&arguments.file).with_context(name)?)
    };
    let mut signals = Signals::new(BufReader::new(input));
    let (mut refused, mut found) = (0_u64, 0_u64);
    while let Some((number, line)) = signals.next().with_context(name)? {
        found += 1;
        let signed = match line {
            Some(line) => sign(&line, SystemClock.now()),
            None => Err(Error::invalid("body", format!("has more than {LONGEST} bytes"))),
        };
        match signed {
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
    ensure!(found > 0, "{} holds no signal", arguments.file.display());
    ensure!(refused == 0, "{refused} signals would be refused, so they were not signed");
    Ok(())
}

/// The number of a line, from 1, and the line; `None` for one that is too long.
type Numbered = (u64, Option<Vec<u8>>);

/// What a file holds, one signal a line. The first one may be written over several lines.
struct Signals<R> {
    input: R,
    /// Lines that were read.
    number: u64,
    is_first: bool,
    /// Lines that were read in vain for the end of the first one.
    ahead: VecDeque<Numbered>,
}

impl<R: BufRead> Signals<R> {
    const fn new(input: R) -> Self {
        Self { input, number: 0, is_first: true, ahead: VecDeque::new() }
    }

    /// The next signal, whole or not; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Numbered>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let Some((number, line)) = self.line()? else { return Ok(None) };
        match line {
            Some(line) if std::mem::take(&mut self.is_first) && state(&line) == State::Begun => {
                Ok(Some((number, Some(self.rest_of(line)?))))
            }
            line => Ok(Some((number, line))),
        }
    }

    /// The object that begins with this line. Where it has no end, or the lines below do not go on with it, it is this line
    /// alone, and those are signals of their own.
    fn rest_of(&mut self, first: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut object = first.clone();
        while let Some((number, line)) = self.line()? {
            object.extend_from_slice(line.as_deref().unwrap_or_default());
            let is_too_long = line.is_none() || object.len() > LONGEST;
            self.ahead.push_back((number, line));
            match state(&object) {
                State::Whole if !is_too_long => {
                    self.ahead.clear();
                    return Ok(object);
                }
                State::Begun if !is_too_long => {}
                _ => break,
            }
        }
        Ok(first)
    }

    /// The next line that is not blank, with its end.
    fn line(&mut self) -> io::Result<Option<Numbered>> {
        loop {
            let mut line = Vec::new();
            let limit = LONGEST + b"\r\n".len();
            if self.input.by_ref().take(limit as u64).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let has_more = line.len() == limit && line.last() != Some(&b'\n');
            if has_more {
                self.input.skip_until(b'\n')?;
            }
            if has_more || line.trim_ascii_end().len() > LONGEST {
                return Ok(Some((self.number, None)));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Some(line))));
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A JSON value.
    Whole,
    /// The beginning of one.
    Begun,
    Broken,
}

fn state(text: &[u8]) -> State {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => State::Whole,
        Err(error) if error.is_eof() => State::Begun,
        Err(_) => State::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each signal of a text with the number of its first line.
    fn read(text: &str) -> Vec<(u64, Option<String>)> {
        let mut signals = Signals::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some((number, line)) = signals.next().unwrap() {
            found.push((number, line.map(|line| String::from_utf8(line).unwrap())));
        }
        found
    }

    fn expect(text: &str, expected: &[(u64, &str)]) {
        let expected: Vec<_> =
            { expected.iter() }.map(|(number, line)| (*number, Some((*line).to_owned()))).collect();
        assert_eq!(read(text), expected, "{text:?}");
    }

    #[test]
    fn a_first_line_that_is_blank_or_broken_takes_no_other_with_it() {
        expect("{}\n{}\n", &[(1, "{}\n"), (2, "{}\n")]);
        expect("\n \r\n{\"a\": 1}\n{}", &[(3, "{\"a\": 1}\n"), (4, "{}")]);
        expect(
            "signal_id,symbol\n{}\n{}\n",
            &[(1, "signal_id,symbol\n"), (2, "{}\n"), (3, "{}\n")],
        );
        // Cut off.
        expect(
            "{\"a\": 1,\n{\"b\": 2}\n{}\n",
            &[(1, "{\"a\": 1,\n"), (2, "{\"b\": 2}\n"), (3, "{}\n")],
        );
        expect("{\"a\n\n{}\n", &[(1, "{\"a\n"), (3, "{}\n")]);
        expect("", &[]);
        expect("\n\n", &[]);
    }

    #[test]
    fn the_first_object_may_be_written_over_lines() {
        expect("\n{\n\"a\": 1\n\n}\n{}\n", &[(2, "{\n\"a\": 1\n}\n"), (6, "{}\n")]);
        expect("\u{feff}{\n}", &[(1, "\u{feff}{\n}")]);
        expect("{\n\"a\":", &[(1, "{\n"), (2, "\"a\":")]);
    }

    #[test]
    fn a_line_is_as_long_as_a_server_takes_it() {
        let long = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let (longest, longer) = (long(LONGEST), long(LONGEST + 1));
        assert_eq!(longest.len(), LONGEST);
        expect(&format!("{longest}\r\n{{}}"), &[(1, &format!("{longest}\r\n")), (2, "{}")]);
        for longer in [longer, long(3 * LONGEST)] {
            let found = read(&format!("{{}}\n{longer}\n{{}}\n"));
            assert_eq!(found[1..], [(2, None), (3, Some("{}\n".to_owned()))]);
        }
        let half = "x".repeat(LONGEST - 8);
        let found = read(&format!("{{\"a\":\"\",\n\"{half}\":1,\n\"b\":1}}\n"));
        assert_eq!(found.len(), 3, "together they are too long");
        let config = crate::config::load(&crate::config::Sources::default()).unwrap().config;
        assert_eq!(config.http.body_limit, LONGEST);
    }
}
