//! The task that deletes what ended long ago, and what is counted of it.

use std::time::{Duration, Instant};

use alpine_domain::retention::{Deleted, Progress, RetentionRun, RetentionStep};
use prometheus::{IntCounterVec, Registry, register_int_counter_vec_with_registry};

/// Between two transactions at least, and as long as the one before took: other writers have their turn, of whom
/// SQLite has one at a time.
const PAUSE: Duration = Duration::from_millis(50);

/// Counters of the runs of this instance.
pub(super) struct RetentionMetrics(IntCounterVec);

impl RetentionMetrics {
    /// # Errors
    /// When a metric is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let rows = register_int_counter_vec_with_registry!(
            "retention_deleted_rows_total",
            "Rows that this instance deleted because they had ended long enough ago, by table.",
            &["table"],
            registry
        )?;
        Ok(Self(rows))
    }

    fn count(&self, deleted: Deleted) {
        let Deleted {
            sessions,
            refresh_tokens,
            api_keys,
            jobs,
            audit,
            notifications,
            payment_events,
            keyed_requests,
            sign_ups,
            address_changes,
            events,
        } = deleted;
        for (table, rows) in [
            ("sessions", sessions),
            ("refresh_tokens", refresh_tokens),
            ("api_keys", api_keys),
            ("jobs", jobs),
            ("audit_log", audit),
            ("notifications", notifications),
            ("payment_events", payment_events),
            ("keyed_requests", keyed_requests),
            ("pending_sign_ups", sign_ups),
            ("address_changes", address_changes),
            ("events", events),
        ] {
            self.0.with_label_values(&[table]).inc_by(rows);
        }
    }
}

/// One run, counted and logged.
///
/// # Errors
/// When the database is away.
pub(super) async fn run(
    retention: &dyn RetentionRun,
    metrics: &RetentionMetrics,
) -> alpine_domain::Result<()> {
    let mut progress = Progress::default();
    loop {
        let started = Instant::now();
        let step = retention.step(&mut progress).await?;
        let rows = progress.rows;
        match step {
            RetentionStep::Deleted(deleted) => metrics.count(deleted),
            RetentionStep::Done if rows == 0 => return Ok(()),
            RetentionStep::Done => {
                tracing::info!(rows, "what ended long ago is deleted");
                return Ok(());
            }
            RetentionStep::Bound => {
                tracing::info!(
                    rows,
                    "as many rows are deleted as one run may (retention.max_rows_per_run); the rest \
                     comes with the next run"
                );
                return Ok(());
            }
            RetentionStep::ClocksDiffer => {
                tracing::warn!(
                    rows,
                    "nothing is deleted while the clocks do not agree on what time it is"
                );
                return Ok(());
            }
        }
        tokio::time::sleep(PAUSE.max(started.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number is another one, so that none can stand for another.
    #[test]
    fn rows_are_counted_under_the_name_of_their_table() {
        let registry = Registry::new();
        let metrics = RetentionMetrics::register(&registry).unwrap();
        let deleted = Deleted {
            sessions: 1,
            refresh_tokens: 2,
            api_keys: 3,
            jobs: 4,
            audit: 5,
            notifications: 6,
            payment_events: 7,
            sign_ups: 8,
            address_changes: 9,
            events: 10,
            keyed_requests: 11,
        };
        metrics.count(deleted);
        metrics.count(deleted);
        let families = registry.gather();
        let mut counted: Vec<(&str, u64)> = families[0]
            .get_metric()
            .iter()
            .map(|it| {
                let value = it.get_counter().get_value();
                (it.get_label()[0].value(), format!("{value}").parse().unwrap())
            })
            .collect();
        counted.sort_unstable_by_key(|(_, rows)| *rows);
        let expected = [
            ("sessions", 2),
            ("refresh_tokens", 4),
            ("api_keys", 6),
            ("jobs", 8),
            ("audit_log", 10),
            ("notifications", 12),
            ("payment_events", 14),
            ("pending_sign_ups", 16),
            ("address_changes", 18),
            ("events", 20),
            ("keyed_requests", 22),
        ];
        assert_eq!(counted, expected);
    }
}
