-- What concerns security.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_audit_security_at ON audit_log (at, id) WHERE is_security;
