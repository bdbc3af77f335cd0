-- Which change a token confirms.
CREATE UNIQUE INDEX IF NOT EXISTS idx_address_change_new ON address_changes (new_token_hash);
