DROP INDEX IF EXISTS idx_notif_created;
