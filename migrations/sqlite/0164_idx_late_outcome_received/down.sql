DROP INDEX IF EXISTS idx_late_outcome_received;
