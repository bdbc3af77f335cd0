-- What late outcomes came since an instant: not known yet to late viewers.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_late_outcome_recorded_at ON late_outcomes (recorded_at);
