DROP INDEX IF EXISTS idx_audit_actor_at;
