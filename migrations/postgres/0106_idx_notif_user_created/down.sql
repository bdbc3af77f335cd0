DROP INDEX CONCURRENTLY IF EXISTS idx_notif_user_created;
