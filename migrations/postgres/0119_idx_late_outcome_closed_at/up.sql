-- Late outcomes in order of closing, for the equity curve that counts them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_late_outcome_closed_at ON late_outcomes (closed_at, signal_id);
