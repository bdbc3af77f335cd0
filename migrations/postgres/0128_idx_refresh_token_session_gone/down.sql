-- The family of a session.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_refresh_token_session ON refresh_tokens (session_id);
