DROP INDEX CONCURRENTLY IF EXISTS idx_outcome_recorded_signal;
