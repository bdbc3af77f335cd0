DROP INDEX IF EXISTS idx_channel_recheck_at;
