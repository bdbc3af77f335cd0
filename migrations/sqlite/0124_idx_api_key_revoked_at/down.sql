DROP INDEX IF EXISTS idx_api_key_revoked_at;
