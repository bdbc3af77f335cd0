-- All sums of one stretch, to add to them and to check them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_record_sum_bucket ON record_sums (level, bucket);
