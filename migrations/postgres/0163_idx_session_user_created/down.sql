DROP INDEX CONCURRENTLY IF EXISTS idx_session_user_created;
