DROP INDEX IF EXISTS idx_outcome_closed_at;
