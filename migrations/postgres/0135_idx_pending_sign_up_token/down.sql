DROP INDEX CONCURRENTLY IF EXISTS idx_pending_sign_up_token;
