-- The same of the highest confidence.
CREATE INDEX IF NOT EXISTS idx_signal_current_confidence ON signals (confidence DESC, created_at DESC, id DESC) WHERE is_active AND COALESCE(origin, CASE WHEN is_simulated THEN 'simulated' WHEN created_at / 2 - signalled_at / 2 > 43200000000 THEN 'backfilled' ELSE 'live' END) <> 'backfilled';
