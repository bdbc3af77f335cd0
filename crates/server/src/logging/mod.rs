//! Log lines: JSON for machines, compact for people; writing one never makes a request wait.

mod json;
mod writer;

use alpine_domain::Result;
use anyhow::Context as _;
use prometheus::{IntCounter, Opts, Registry, core::Collector};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use self::{
    json::JsonLines,
    writer::{Flush, Lines},
};
use crate::config::Config;

/// Writes out what is buffered when it is dropped, and knows how many lines were lost.
pub struct Logging {
    lines: Lines,
    _flush: Flush,
}

/// Sends this process's log lines to standard error, from a bounded buffer. When it is full, lines are
/// dropped and counted.
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn start(config: &Config) -> anyhow::Result<Logging> {
    let (lines, flush) = writer::start(std::io::stderr(), config.logging.buffer_lines)?;
    let filter = EnvFilter::builder().parse(&config.logging.filter).context("`logging.filter`")?;
    let registry = tracing_subscriber::registry().with(filter);
    if config.logs_json() {
        registry.with(JsonLines::new(lines.clone())).try_init()
    } else {
        use std::io::IsTerminal as _;
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        registry.with(layer.compact().with_ansi(std::io::stderr().is_terminal())).try_init()
    }
    .context("logging was set up before")?;
    Ok(Logging { lines, _flush: flush })
}

impl Logging {
    /// Adds `log_lines_dropped_total` to the metrics.
    ///
    /// # Errors
    /// When the registry has such a metric already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let total = IntCounter::with_opts(Opts::new(
            "log_lines_dropped_total",
            "Log lines that found the buffer full",
        ))?;
        registry.register(Box::new(Dropped { lines: self.lines.clone(), total }))
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
