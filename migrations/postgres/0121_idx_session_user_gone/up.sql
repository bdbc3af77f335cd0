-- idx_session_user_address begins with the same columns.
DROP INDEX CONCURRENTLY IF EXISTS idx_session_user;
