DROP INDEX IF EXISTS idx_channel_known;
