-- The oldest notifications, which are deleted first.
CREATE INDEX IF NOT EXISTS idx_notif_created ON notifications (created_at);
