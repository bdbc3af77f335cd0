-- Each producer's own signals, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_signal_producer_created ON signals (producer_id, created_at DESC, id DESC);
