//! Times of many rounds, and what they depend on besides.

use std::time::Duration;

#[expect(clippy::cast_precision_loss, reason = "a few")]
fn processors() -> f64 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64
}

/// How many processes waited or ran in the last minute, where the system tells.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Which time is judged, and how many tenths of all do not reach it. What waits for a processor most of the time tells of
/// the machine, and the quickest tenth of Alpine.
pub(super) fn judged() -> (&'static str, usize) {
    let is_busy = load().is_none_or(|load| load > processors());
    if is_busy { ("quickest tenth", 1) } else { ("median", 5) }
}

/// What the figures depend on besides.
pub(super) fn machine() -> String {
    let load = load().map_or_else(|| "an unknown number of".to_owned(), |load| load.to_string());
    format!(
        "{} processors, for which {load} processes waited or ran in the last minute; where those are more, the \
         figures are of the others as well, and the quickest tenth is judged instead of the median",
        processors()
    )
}

pub(super) fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
}

/// The time that so many tenths do not reach: the median for 5.
pub(super) fn tenth(sorted: &[Duration], tenths: usize) -> Duration {
    sorted.get(sorted.len() * tenths / 10).copied().unwrap_or_default()
}
