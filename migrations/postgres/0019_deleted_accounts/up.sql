-- Accounts whose owners deleted them, until what is personal is erased. email: the address that the account had; its
-- row in users holds a placeholder, so that somebody may sign up with the address again.
CREATE TABLE deleted_accounts (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    email TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    erase_at BIGINT NOT NULL
);
