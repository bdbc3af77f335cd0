//! Log lines: JSON for machines, compact for people; writing one never makes a request wait.

use alpine_domain::Result;
use anyhow::Context as _;
use prometheus::{IntCounter, Opts, Registry, core::Collector};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::Config;

/// Writes out what is buffered when it is dropped, and knows how many lines were lost.
pub struct Logging {
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

/// Sends this process's log lines to standard error, from a bounded buffer. When it is full, lines are
/// dropped and counted.
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn start(config: &Config) -> anyhow::Result<Logging> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(config.logging.buffer_lines)
        .lossy(true)
        .thread_name("log-writer")
        .finish(std::io::stderr());
    let dropped = writer.error_counter();
    let filter = EnvFilter::builder().parse(&config.logging.filter).context("`logging.filter`")?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    if config.logs_json() {
        let layer = layer.json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(layer).try_init()
    } else {
        use std::io::IsTerminal as _;
        let layer = layer.compact().with_ansi(std::io::stderr().is_terminal());
        registry.with(layer).try_init()
    }
    .context("logging was set up before")?;
    Ok(Logging { dropped, _guard: guard })
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
        registry.register(Box::new(Dropped { counter: self.dropped.clone(), total }))
    }
}

/// Reads the writer's own counter when the metrics are collected.
struct Dropped {
    counter: ErrorCounter,
    total: IntCounter,
}

impl Collector for Dropped {
    fn desc(&self) -> Vec<&prometheus::core::Desc> {
        self.total.desc()
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        let lines = u64::try_from(self.counter.dropped_lines()).unwrap_or(u64::MAX);
        self.total.inc_by(lines.saturating_sub(self.total.get()));
        self.total.collect()
    }
}
