DROP INDEX IF EXISTS idx_signal_origin;
