-- The equity curve, in order of closing.
CREATE INDEX IF NOT EXISTS idx_outcome_closed_at ON outcomes (closed_at, signal_id);
