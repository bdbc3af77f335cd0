DROP INDEX IF EXISTS idx_job_unique_key;
