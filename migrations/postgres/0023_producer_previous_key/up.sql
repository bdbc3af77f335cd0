-- The key that a producer had before the last rotation, as a digest, and until when it is good. The digest stays after
-- that, so that a configuration that still names the old key does not bring it back.
ALTER TABLE producers ADD COLUMN previous_key_hash TEXT;
ALTER TABLE producers ADD COLUMN previous_until BIGINT;
