-- The digests that are due first.
CREATE INDEX IF NOT EXISTS idx_digest_due_at ON digests (due_at);
