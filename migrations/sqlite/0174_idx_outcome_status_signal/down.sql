DROP INDEX IF EXISTS idx_outcome_status_signal;
