-- The whole history by keyset, and the next signal that a late viewer will see.
CREATE INDEX IF NOT EXISTS idx_signal_created ON signals (created_at DESC, id DESC);
