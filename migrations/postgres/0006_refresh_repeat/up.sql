-- The refresh token that was used last, and how the client that used it may send it again: its digest,
-- the next token readable only with it, the client's address as a digest, and until when.
ALTER TABLE sessions ADD COLUMN repeat_of TEXT;
ALTER TABLE sessions ADD COLUMN repeat_sealed TEXT;
ALTER TABLE sessions ADD COLUMN repeat_address TEXT;
ALTER TABLE sessions ADD COLUMN repeat_until BIGINT;
