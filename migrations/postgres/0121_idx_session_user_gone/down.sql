-- The sessions of a user, to end them all, and whether one was opened from an address.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_session_user ON sessions (user_id, address_digest);
