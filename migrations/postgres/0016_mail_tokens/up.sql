-- By which somebody proves to read what is sent to an account's address: a digest of what was mailed, one for each
-- user and purpose. It takes the place of password_resets, which the release before still writes.
CREATE TABLE mail_tokens (
    user_id TEXT NOT NULL REFERENCES users (id),
    purpose TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, purpose)
);
INSERT INTO mail_tokens (user_id, purpose, token_hash, created_at, expires_at)
SELECT user_id, 'reset', token_hash, created_at, expires_at FROM password_resets;
DELETE FROM password_resets;
