DROP INDEX CONCURRENTLY IF EXISTS idx_signal_symbol_created;
