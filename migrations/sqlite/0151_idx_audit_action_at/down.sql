DROP INDEX IF EXISTS idx_audit_action_at;
