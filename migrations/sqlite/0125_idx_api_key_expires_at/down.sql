DROP INDEX IF EXISTS idx_api_key_expires_at;
