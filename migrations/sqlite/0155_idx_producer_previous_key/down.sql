DROP INDEX IF EXISTS idx_producer_previous_key;
