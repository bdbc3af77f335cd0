-- The keys of a user.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_api_key_user ON api_keys (user_id);
