-- The live keys of a user, beside many that have ended.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_api_key_live ON api_keys (user_id, expires_at) WHERE revoked_at IS NULL;
