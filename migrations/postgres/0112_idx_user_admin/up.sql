-- The few administrators.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_admin ON users (id) WHERE role = 'admin';
