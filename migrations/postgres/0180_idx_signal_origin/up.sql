-- Each part of the record, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_signal_origin ON signals (COALESCE(origin, CASE WHEN is_simulated THEN 'simulated' WHEN created_at / 2 - signalled_at / 2 > 43200000000 THEN 'backfilled' ELSE 'live' END), created_at DESC, id DESC);
