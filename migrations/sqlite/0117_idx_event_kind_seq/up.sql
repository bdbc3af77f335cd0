-- The newest event of each kind: what a starting instance reads.
CREATE INDEX IF NOT EXISTS idx_event_kind_seq ON events (kind, seq DESC);
