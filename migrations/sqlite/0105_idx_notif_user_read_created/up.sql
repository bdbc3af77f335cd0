-- Unread notifications of a user.
CREATE INDEX IF NOT EXISTS idx_notif_user_read_created ON notifications (user_id, created_at DESC) WHERE NOT is_read;
