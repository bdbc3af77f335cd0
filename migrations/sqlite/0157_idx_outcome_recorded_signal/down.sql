DROP INDEX IF EXISTS idx_outcome_recorded_signal;
