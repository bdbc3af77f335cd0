//! `alpine feed`: sends a file through the API, as a producer would.

mod answers;
mod client;
mod lines;
mod summary;

use std::{
    io::Read as _,
    num::NonZeroU32,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use client::Client;
use lines::Line;
use summary::Summary;

use super::output::tell;
use crate::cli::FeedArgs;

/// Sends the file. Fails unless everything went as it demands.
pub(super) fn run(arguments: &FeedArgs) -> Result<()> {
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
            .take_while(|line| line.goes_in_batch() && line.kind == first.kind)
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
    tell(&summary.report(lines.len(), started.elapsed()))?;
    anyhow::ensure!(summary.is_as_expected(), "not everything went as the file demands");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Line>> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
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
