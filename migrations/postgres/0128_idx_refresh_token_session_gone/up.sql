-- idx_refresh_token_session_created begins with the same column.
DROP INDEX CONCURRENTLY IF EXISTS idx_refresh_token_session;
