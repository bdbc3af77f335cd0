-- Which changes have ended.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_address_change_expires_at ON address_changes (expires_at);
