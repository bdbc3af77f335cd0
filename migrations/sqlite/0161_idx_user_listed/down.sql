DROP INDEX IF EXISTS idx_user_listed;
