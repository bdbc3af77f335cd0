DROP INDEX IF EXISTS idx_signal_producer_created;
