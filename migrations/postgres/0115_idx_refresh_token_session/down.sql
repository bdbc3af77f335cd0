DROP INDEX CONCURRENTLY IF EXISTS idx_refresh_token_session;
