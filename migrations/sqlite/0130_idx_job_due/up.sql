-- The jobs that have been due for longest, beside many that are not, or have failed.
CREATE INDEX IF NOT EXISTS idx_job_due ON jobs (due_at, id) WHERE failed_at IS NULL;
