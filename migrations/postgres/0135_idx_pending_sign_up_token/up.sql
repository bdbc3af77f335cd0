-- Which sign-up a token confirms.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_pending_sign_up_token ON pending_sign_ups (token_hash);
