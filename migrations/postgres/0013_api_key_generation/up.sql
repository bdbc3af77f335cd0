-- The generation of its account when a key was made. Keys of an older generation than users.addresses_from are over.
-- NULL for keys of releases before this column: those that a promotion ended have revoked_at.
ALTER TABLE api_keys ADD COLUMN generation BIGINT;
