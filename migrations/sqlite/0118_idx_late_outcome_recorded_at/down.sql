DROP INDEX IF EXISTS idx_late_outcome_recorded_at;
