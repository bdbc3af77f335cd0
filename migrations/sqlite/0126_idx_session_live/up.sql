-- The live sessions of a user, beside many that have ended.
CREATE INDEX IF NOT EXISTS idx_session_live ON sessions (user_id, generation, expires_at) WHERE revoked_at IS NULL;
