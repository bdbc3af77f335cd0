-- Who signed up and has not shown yet to read what is sent to the address. user_id: that of the account to be made;
-- token_hash: a digest of what was mailed, once it was.
CREATE TABLE pending_sign_ups (
    user_id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL,
    full_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    token_hash TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
