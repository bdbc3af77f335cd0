-- Which change a token confirms.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_address_change_old ON address_changes (old_token_hash);
