-- A second factor of each user at most. secret: sealed, asked for while it is there; last_step: the newest time step
-- whose code was accepted. pending_*: set up, and no code of it shown yet; digests of its backup codes with a space
-- between them.
CREATE TABLE second_factors (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    secret TEXT,
    last_step BIGINT NOT NULL,
    enabled_at BIGINT,
    pending_secret TEXT,
    pending_codes TEXT,
    pending_until BIGINT
);

-- Digests of backup codes that were not used yet.
CREATE TABLE backup_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- Passwords that were right, where a code is asked for besides; generation: of the account at that time.
CREATE TABLE sign_in_challenges (
    token_hash TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    generation BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
