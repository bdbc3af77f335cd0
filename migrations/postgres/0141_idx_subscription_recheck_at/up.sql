-- Customers whose state is to be read, beside many of whom nothing is due.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_subscription_recheck_at ON subscriptions (recheck_at) WHERE recheck_at IS NOT NULL;
