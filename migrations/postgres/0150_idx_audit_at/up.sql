-- All lines, and the oldest ones.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_audit_at ON audit_log (at, id);
