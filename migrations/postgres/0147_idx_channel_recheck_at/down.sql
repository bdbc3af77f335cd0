DROP INDEX CONCURRENTLY IF EXISTS idx_channel_recheck_at;
