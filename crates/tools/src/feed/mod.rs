//! `cargo xtask feed`: replays a file through the API, as a producer would send it.

mod answers;
mod client;
mod lines;
mod summary;

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use client::Client;
use lines::Line;
use summary::Summary;

/// Replays a file of signals or outcomes through the API of a running server.
///
/// Each line is recognised by its content: a signal, an outcome (`exit_price`), an edge case
/// (`{form, body}`), or a body to be refused (`{field, why, body}`), whose refusal must name that field.
/// Lines travel to the letter, numbers are never rewritten. Feeding a file twice changes nothing.
/// 429 and 503 are retried after `Retry-After`. Fails when something is refused that should not be.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file, one JSON object a line
    file: PathBuf,
    /// Where the server is
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    url: String,
    /// The producer's key, from `alpine producer create`
    #[arg(long, env = "ARGO_API_KEY", hide_env_values = true)]
    key: String,
    /// Lines a second, one request each; without it, signals are sent in batches, as fast as they are
    /// taken
    #[arg(long, value_name = "N", value_parser = per_second)]
    rate: Option<NonZeroU32>,
    /// Signals in one batch
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

fn per_second(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number.parse().map_err(|_| "must be lines a second: 50 or 50/s".to_owned())
}

/// Whether everything went as the file demands.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let lines = read(&arguments.file)?;
    let client = Client::new(&arguments.url, &arguments.key)?;
    let progress = ProgressBar::new(u64::try_from(lines.len())?);
    progress.set_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} lines, {per_sec}, {eta} left {msg}",
    )?);

    let started = Instant::now();
    let mut summary = Summary::default();
    let mut pace = arguments.rate.map(Pace::new);
    let mut rest = lines.as_slice();
    while let Some(first) = rest.first() {
        let run_length = rest
            .iter()
            .take(usize::try_from(arguments.batch)?)
            .take_while(|line| line.goes_in_batch())
            .count();
        let taken = if pace.is_none() && run_length > 1 {
            let (batch, _) = rest.split_at(run_length);
            client.send_batch(batch, &progress, &mut summary)?;
            run_length
        } else {
            if let Some(pace) = &mut pace {
                pace.wait();
            }
            let answer = client.send_one(first, &progress)?;
            summary.judge(first, &answer);
            1
        };
        progress.inc(u64::try_from(taken)?);
        rest = &rest[taken..];
    }
    progress.finish_and_clear();
    print!("{}", summary.report(lines.len(), started.elapsed()));
    Ok(summary.is_as_expected())
}

fn read(path: &Path) -> Result<Vec<Line>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(index, text)| {
            Line::recognise(index + 1, text)
                .with_context(|| format!("{}, line {}", path.display(), index + 1))
        })
        .collect()
}

/// Spreads requests evenly; time lost is not made up for in a burst.
struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), next: Instant::now() }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        std::thread::sleep(self.next.saturating_duration_since(now));
        self.next = self.next.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_may_name_their_unit() {
        assert_eq!(per_second("50/s"), Ok(NonZeroU32::new(50).unwrap()));
        assert_eq!(per_second("7"), Ok(NonZeroU32::new(7).unwrap()));
        assert!(per_second("0").is_err());
        assert!(per_second("fast").is_err());
    }

    #[test]
    fn the_pace_never_bursts() {
        let mut pace = Pace::new(NonZeroU32::new(50).unwrap());
        pace.wait();
        std::thread::sleep(Duration::from_millis(200));
        let started = Instant::now();
        for _ in 0..4 {
            pace.wait();
        }
        assert!(started.elapsed() >= Duration::from_millis(55), "{:?}", started.elapsed());
    }
}
