-- All lines, and the oldest ones.
CREATE INDEX IF NOT EXISTS idx_audit_at ON audit_log (at, id);
