DROP INDEX IF EXISTS idx_refresh_token_session_created;
