-- New users since an instant.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_created_at ON users (created_at);
