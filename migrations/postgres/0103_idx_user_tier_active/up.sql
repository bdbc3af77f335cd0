-- Users by tier, for administration.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_tier_active ON users (tier, is_active);
