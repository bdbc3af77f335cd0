-- What a user did with notifications of signals, which are no rows of anybody: those up to read_until were read at
-- read_all_at, and marks says of single ones when they were read, or that they were deleted.
CREATE TABLE notification_marks (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    read_until BIGINT,
    read_all_at BIGINT,
    marks TEXT NOT NULL
);
