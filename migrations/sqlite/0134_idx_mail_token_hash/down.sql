DROP INDEX IF EXISTS idx_mail_token_hash;
