//! The task that keeps the sums of the record.

use alpine_domain::statistics::SumUpkeep;
use prometheus::{IntCounter, Registry, register_int_counter_with_registry};

/// What the runs of this instance did.
pub(super) struct RecordMetrics {
    summed: IntCounter,
}

impl RecordMetrics {
    /// # Errors
    /// When the metric is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            summed: register_int_counter_with_registry!(
                "record_events_summed_total",
                "Publications, outcomes and late outcomes that this instance added to the sums of the record.",
                registry
            )?,
        })
    }
}

/// One run, counted, and a line in the log where it did more than usual.
///
/// # Errors
/// When the database is away.
pub(super) async fn run(sums: &SumUpkeep, metrics: &RecordMetrics) -> alpine_domain::Result<()> {
    let run = sums.run_once().await?;
    metrics.summed.inc_by(run.entries);
    if run.recounted_days > 0 {
        tracing::info!(
            days = run.recounted_days,
            "something was committed long after it had been received; its days were counted anew"
        );
    }
    if !run.is_done && run.entries > 0 {
        tracing::info!(entries = run.entries, "the sums of the record are being made");
    }
    Ok(())
}
