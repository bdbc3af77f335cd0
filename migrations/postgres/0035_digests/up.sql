-- Who gets a mail of what is unread, and how often. covered_until: what was told until then was mailed; due_at: when the next
-- mail is made.
CREATE TABLE digests (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    every TEXT NOT NULL,
    covered_until BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
