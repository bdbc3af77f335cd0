DROP INDEX IF EXISTS idx_notif_user_read_created;
