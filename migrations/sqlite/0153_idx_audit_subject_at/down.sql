DROP INDEX IF EXISTS idx_audit_subject_at;
