DROP INDEX CONCURRENTLY IF EXISTS idx_late_outcome_received;
