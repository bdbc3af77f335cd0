DROP INDEX IF EXISTS idx_record_sum_bucket;
