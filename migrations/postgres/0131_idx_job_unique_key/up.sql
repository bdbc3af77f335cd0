-- One pending job for each key.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_job_unique_key ON jobs (unique_key) WHERE failed_at IS NULL;
