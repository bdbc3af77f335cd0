-- The history of one instrument.
CREATE INDEX IF NOT EXISTS idx_signal_symbol_history ON signals (symbol, created_at DESC, id DESC);
