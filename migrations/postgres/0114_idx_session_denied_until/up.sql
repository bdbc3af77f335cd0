-- Sessions whose access tokens are still refused.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_session_denied_until ON sessions (denied_until) WHERE denied_until IS NOT NULL;
