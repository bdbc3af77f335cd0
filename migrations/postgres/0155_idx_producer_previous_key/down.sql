DROP INDEX CONCURRENTLY IF EXISTS idx_producer_previous_key;
