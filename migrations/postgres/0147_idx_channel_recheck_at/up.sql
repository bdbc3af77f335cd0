-- The few memberships that are to be looked at, beside many that are as they should be.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_channel_recheck_at ON channel_memberships (recheck_at) WHERE recheck_at IS NOT NULL;
