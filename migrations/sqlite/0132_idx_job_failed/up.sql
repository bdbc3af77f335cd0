-- The jobs that failed, the newest first, and the oldest to be deleted.
CREATE INDEX IF NOT EXISTS idx_job_failed ON jobs (failed_at, id) WHERE failed_at IS NOT NULL;
