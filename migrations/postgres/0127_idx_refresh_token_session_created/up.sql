-- The family of a session, and when it was last refreshed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_refresh_token_session_created ON refresh_tokens (session_id, created_at);
