-- Kinds of notifications of which a user does not want to be told: words with spaces between.
CREATE TABLE notification_preferences (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    muted TEXT NOT NULL
);
