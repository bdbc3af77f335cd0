-- Accounts by tier and state in order of addresses, by their bytes: whose begins how.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_listed_address ON users (tier, is_active, email COLLATE "C");
