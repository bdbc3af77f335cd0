-- All sums of one stretch, to add to them and to check them; by an expression, so that what asks for one series does not use it.
CREATE INDEX IF NOT EXISTS idx_record_sum_bucket ON record_sums (level, (bucket + 0));
