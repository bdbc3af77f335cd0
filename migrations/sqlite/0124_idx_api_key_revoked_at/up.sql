-- Keys that were revoked long ago.
CREATE INDEX IF NOT EXISTS idx_api_key_revoked_at ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
