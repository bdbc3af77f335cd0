CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_read BOOLEAN NOT NULL DEFAULT 0 CHECK (is_read IN (0, 1)),
    created_at BIGINT NOT NULL,
    read_at BIGINT
);
