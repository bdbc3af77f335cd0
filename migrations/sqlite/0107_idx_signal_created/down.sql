DROP INDEX IF EXISTS idx_signal_created;
