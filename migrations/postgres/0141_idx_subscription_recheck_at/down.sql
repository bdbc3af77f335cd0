DROP INDEX CONCURRENTLY IF EXISTS idx_subscription_recheck_at;
