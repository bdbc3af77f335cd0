DROP INDEX IF EXISTS idx_user_created_at;
