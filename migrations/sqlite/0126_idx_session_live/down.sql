DROP INDEX IF EXISTS idx_session_live;
