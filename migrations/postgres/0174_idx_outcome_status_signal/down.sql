DROP INDEX CONCURRENTLY IF EXISTS idx_outcome_status_signal;
