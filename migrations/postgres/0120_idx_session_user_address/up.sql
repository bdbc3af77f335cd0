-- Whether an account was signed in to from an address.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_session_user_address ON sessions (user_id, address_digest, generation);
