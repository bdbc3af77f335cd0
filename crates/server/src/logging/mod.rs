//! Log lines: JSON for machines, compact for people; writing one never makes a request wait.

mod json;
mod repeats;
mod writer;

use alpine_domain::Result;
use anyhow::Context as _;
use prometheus::{IntCounter, Registry, core::Collector};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use self::{
    json::JsonLines,
    repeats::Repeats,
    writer::{Flush, Lines},
};
use crate::config::Config;

/// Writes out what is buffered when it is dropped, and knows how many lines were lost or left out.
pub struct Logging {
    lines: Lines,
    repeats: Repeats,
    _flush: Flush,
}

/// Sends this process's log lines to standard error, from a bounded buffer. When it is full, lines are
/// dropped and counted. One place in the code writes a bounded number of warnings and errors.
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn start(config: &Config) -> anyhow::Result<Logging> {
    let (lines, flush) = writer::start(std::io::stderr(), config.logging.buffer_lines)?;
    let filter = EnvFilter::builder().parse(&config.logging.filter).context("`logging.filter`")?;
    let logging = &config.logging;
    let repeats = Repeats::new(logging.repeats, logging.summary_interval)?;
    let registry = tracing_subscriber::registry().with(filter).with(repeats.clone());
    if config.logs_json() {
        registry.with(JsonLines::new(lines.clone())).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        registry.with(layer.compact().with_ansi(is_colourful())).try_init()
    }
    .context("logging was set up before")?;
    Ok(Logging { lines, repeats, _flush: flush })
}

impl Logging {
    /// Says in every interval what was left out of the log in it. Never ends.
    pub fn summaries(&self) -> impl Future<Output = ()> + Send + 'static {
        self.repeats.clone().summarise_every_interval()
    }

    /// Adds `log_lines_dropped_total`, `log_lines_left_out_total` and `http_connection_errors_total` to
    /// the metrics.
    ///
    /// # Errors
    /// When the registry has such metrics already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        self.repeats.register(registry)?;
        let total =
            IntCounter::new("log_lines_dropped_total", "Log lines that found the buffer full.")?;
        registry.register(Box::new(Dropped { lines: self.lines.clone(), total }))
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.repeats.summarise();
    }
}

/// Reads the writer's own counter when the metrics are collected.
struct Dropped {
    lines: Lines,
    total: IntCounter,
}

impl Collector for Dropped {
    fn desc(&self) -> Vec<&prometheus::core::Desc> {
        self.total.desc()
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.total.inc_by(self.lines.dropped().saturating_sub(self.total.get()));
        self.total.collect()
    }
}
/// Whether a person reads it who has not asked for plain text (`NO_COLOR`, no-color.org).
fn is_colourful() -> bool {
    use std::io::IsTerminal as _;
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    std::io::stderr().is_terminal() && !is_plain
}
