-- Keys that expired long ago.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_api_key_expires_at ON api_keys (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;
