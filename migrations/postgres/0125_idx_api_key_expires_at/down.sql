DROP INDEX CONCURRENTLY IF EXISTS idx_api_key_expires_at;
