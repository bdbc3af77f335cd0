DROP INDEX IF EXISTS idx_notif_user_created;
