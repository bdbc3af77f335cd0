DROP INDEX CONCURRENTLY IF EXISTS idx_signal_current_symbol_action;
