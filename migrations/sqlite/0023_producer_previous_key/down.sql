ALTER TABLE producers DROP COLUMN previous_until;
ALTER TABLE producers DROP COLUMN previous_key_hash;
