DROP INDEX IF EXISTS idx_password_reset_token;
