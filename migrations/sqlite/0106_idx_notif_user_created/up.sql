-- Every notification of a user, page by page.
CREATE INDEX IF NOT EXISTS idx_notif_user_created ON notifications (user_id, created_at DESC, id DESC);
