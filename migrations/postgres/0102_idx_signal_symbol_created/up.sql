-- Open signals of one instrument.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_signal_symbol_created ON signals (symbol, created_at DESC, id DESC, confidence) WHERE is_active;
