-- What closed since an instant: still open for late viewers.
CREATE INDEX IF NOT EXISTS idx_outcome_recorded_at ON outcomes (recorded_at);
