-- Accounts by tier and state, the newest first.
CREATE INDEX IF NOT EXISTS idx_user_listed ON users (tier, is_active, created_at, id);
