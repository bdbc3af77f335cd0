DROP INDEX IF EXISTS idx_session_denied_until;
