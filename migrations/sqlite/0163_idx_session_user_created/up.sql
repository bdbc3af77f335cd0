-- When a user last signed in.
CREATE INDEX IF NOT EXISTS idx_session_user_created ON sessions (user_id, created_at);
