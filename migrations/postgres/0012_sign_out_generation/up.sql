-- Signing out costs one row. A session remembers the generation of its account at the sign-in: how often the
-- user (users.generation) and how often everybody (here) was signed out, added up. One of an older generation is over.
ALTER TABLE database_identity ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
-- 0 also for sessions of releases before this column; they count until the first sign-out that comes later.
ALTER TABLE sessions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
-- When all sessions of the user were last ended, since this column exists.
ALTER TABLE users ADD COLUMN signed_out_at BIGINT;
-- Addresses of sessions of an older generation than this are not remembered.
ALTER TABLE users ADD COLUMN addresses_from BIGINT NOT NULL DEFAULT 0;
