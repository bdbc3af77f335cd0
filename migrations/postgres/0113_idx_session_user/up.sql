-- The sessions of a user, to end them all.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_session_user ON sessions (user_id);
