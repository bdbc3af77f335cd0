DROP INDEX CONCURRENTLY IF EXISTS idx_session_expires_at;
