DROP INDEX IF EXISTS idx_signal_symbol_created;
