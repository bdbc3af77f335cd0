-- The same of one instrument.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_signal_current_symbol_action ON signals (symbol, action, created_at DESC, id DESC, confidence) WHERE is_active AND COALESCE(origin, CASE WHEN is_simulated THEN 'simulated' WHEN created_at / 2 - signalled_at / 2 > 43200000000 THEN 'backfilled' ELSE 'live' END) <> 'backfilled';
