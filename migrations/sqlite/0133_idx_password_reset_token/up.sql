-- Whose a token is.
CREATE UNIQUE INDEX IF NOT EXISTS idx_password_reset_token ON password_resets (token_hash);
