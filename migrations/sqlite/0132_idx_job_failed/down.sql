DROP INDEX IF EXISTS idx_job_failed;
