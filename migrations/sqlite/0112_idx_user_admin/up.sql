-- The few administrators.
CREATE INDEX IF NOT EXISTS idx_user_admin ON users (id) WHERE role = 'admin';
