-- Accounts by tier and state, the newest first. The instant is a sum, so that no list of few among many is read by the index
-- of all instants, past everybody who is newer.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_listed ON users (tier, is_active, (created_at + 0), id);
