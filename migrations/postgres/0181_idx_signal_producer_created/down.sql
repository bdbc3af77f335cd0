DROP INDEX CONCURRENTLY IF EXISTS idx_signal_producer_created;
