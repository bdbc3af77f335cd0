DROP INDEX CONCURRENTLY IF EXISTS idx_subscription_given_listed;
