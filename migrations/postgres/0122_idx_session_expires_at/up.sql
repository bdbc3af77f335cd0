-- Sessions that expired long ago.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_session_expires_at ON sessions (expires_at);
