-- What one party did.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_audit_actor_at ON audit_log (actor, at, id);
