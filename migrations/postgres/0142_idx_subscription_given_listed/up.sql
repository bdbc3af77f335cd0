-- Those whom payment gave a tier, whom the provider has not listed for longest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_subscription_given_listed ON subscriptions (listed_at) WHERE given IS NOT NULL;
