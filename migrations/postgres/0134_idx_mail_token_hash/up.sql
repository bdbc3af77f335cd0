-- Whose a token is.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_mail_token_hash ON mail_tokens (token_hash);
