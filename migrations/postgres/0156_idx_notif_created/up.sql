-- The oldest notifications, which are deleted first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_notif_created ON notifications (created_at);
