DROP INDEX IF EXISTS idx_session_expires_at;
