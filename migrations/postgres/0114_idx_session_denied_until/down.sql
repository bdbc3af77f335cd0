DROP INDEX CONCURRENTLY IF EXISTS idx_session_denied_until;
