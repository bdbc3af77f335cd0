-- What closed last, the newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_outcome_recorded_signal ON outcomes (recorded_at DESC, signal_id DESC);
