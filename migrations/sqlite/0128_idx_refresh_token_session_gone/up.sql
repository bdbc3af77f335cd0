-- idx_refresh_token_session_created begins with the same column.
DROP INDEX IF EXISTS idx_refresh_token_session;
