TRUNCATE record_sums;
ALTER TABLE record_sums ALTER COLUMN segment TYPE TEXT USING '';
DROP INDEX IF EXISTS idx_record_sum_bucket;
CREATE INDEX idx_record_sum_bucket ON record_sums (level, bucket);
UPDATE record_seal SET sealed_until = -62104060800000000, position = 0;
