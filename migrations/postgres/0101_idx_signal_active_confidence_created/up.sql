-- Open signals, newest first, above or below a confidence. id stands second because a batch shares one created_at.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_signal_active_confidence_created ON signals (created_at DESC, id DESC, confidence) WHERE is_active;
