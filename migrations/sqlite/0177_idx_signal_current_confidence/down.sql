DROP INDEX IF EXISTS idx_signal_current_confidence;
