DROP INDEX CONCURRENTLY IF EXISTS idx_api_key_revoked_at;
