-- Lines of one action.
CREATE INDEX IF NOT EXISTS idx_audit_action_at ON audit_log (action, at, id);
