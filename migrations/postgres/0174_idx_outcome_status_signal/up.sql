-- What ended in one way, by the number of the signal, the largest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_outcome_status_signal ON outcomes (status, signal_id DESC, recorded_at);
