DROP INDEX CONCURRENTLY IF EXISTS idx_password_reset_token;
