ALTER TABLE sessions DROP COLUMN repeat_until;
ALTER TABLE sessions DROP COLUMN repeat_address;
ALTER TABLE sessions DROP COLUMN repeat_sealed;
ALTER TABLE sessions DROP COLUMN repeat_of;
