-- Whose old key a digest is.
CREATE UNIQUE INDEX IF NOT EXISTS idx_producer_previous_key ON producers (previous_key_hash);
