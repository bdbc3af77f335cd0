CREATE TABLE notifications (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_read BOOLEAN NOT NULL DEFAULT false,
    created_at BIGINT NOT NULL,
    read_at BIGINT
);
