//! The task that expires signals, and what is counted of it.

use alpine_domain::signal::{Expiry, ExpiryEnd};
use prometheus::{IntCounter, Registry, register_int_counter_with_registry};

/// Counters of the runs of this instance.
pub(super) struct ExpiryMetrics {
    expired: IntCounter,
    bounds_reached: IntCounter,
    skipped: IntCounter,
}

impl ExpiryMetrics {
    /// # Errors
    /// When a metric is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            expired: register_int_counter_with_registry!(
                "signals_expired_total",
                "Signals that this instance ended because they were open for too long.",
                registry
            )?,
            bounds_reached: register_int_counter_with_registry!(
                "signal_expiry_bounds_reached_total",
                "Runs of expiry that ended as many signals as one run may.",
                registry
            )?,
            skipped: register_int_counter_with_registry!(
                "signal_expiry_skipped_total",
                "Runs of expiry that stopped because the clocks did not agree on what time it is.",
                registry
            )?,
        })
    }
}

/// One run, counted and logged.
///
/// # Errors
/// When the database is away.
pub(super) async fn run(expiry: &Expiry, metrics: &ExpiryMetrics) -> alpine_domain::Result<()> {
    let (expired, end) = expiry.run_once().await?;
    metrics.expired.inc_by(expired.into());
    match end {
        ExpiryEnd::Done if expired == 0 => {}
        ExpiryEnd::Done => tracing::info!(expired, "signals expired"),
        ExpiryEnd::Bound => {
            metrics.bounds_reached.inc();
            tracing::warn!(
                expired,
                "as many signals expired as one run may end (signals.max_expired_per_run); the rest \
                 comes with the next run"
            );
        }
        ExpiryEnd::ClocksDiffer => {
            metrics.skipped.inc();
            tracing::warn!(
                expired,
                "no signal expires while the clocks do not agree on what time it is"
            );
        }
    }
    Ok(())
}
