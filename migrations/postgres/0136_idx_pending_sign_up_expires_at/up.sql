-- Which sign-ups have ended.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_pending_sign_up_expires_at ON pending_sign_ups (expires_at);
