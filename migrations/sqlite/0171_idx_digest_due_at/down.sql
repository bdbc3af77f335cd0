DROP INDEX IF EXISTS idx_digest_due_at;
