-- Other addresses that users asked for and have not confirmed at both addresses yet, one for each user. generation: of
-- the account when it was asked for; *_token_hash: a digest of what was mailed, once it was.
CREATE TABLE address_changes (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    email TEXT NOT NULL,
    generation BIGINT NOT NULL,
    old_token_hash TEXT,
    new_token_hash TEXT,
    old_confirmed_at BIGINT,
    new_confirmed_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
