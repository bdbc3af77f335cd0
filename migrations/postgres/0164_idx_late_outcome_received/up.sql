-- Late outcomes in the order in which they were received, for the equity curve that counts them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_late_outcome_received ON late_outcomes (recorded_at, signal_id);
