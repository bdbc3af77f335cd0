-- What was done to one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_audit_subject_at ON audit_log (subject, at, id) WHERE subject IS NOT NULL;
