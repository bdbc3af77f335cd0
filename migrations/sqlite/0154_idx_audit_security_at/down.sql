DROP INDEX IF EXISTS idx_audit_security_at;
