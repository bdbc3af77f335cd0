-- One row, made here and never changed: the key of the permutation that gives signals their public numbers.
CREATE TABLE signal_id_key (
    key TEXT NOT NULL PRIMARY KEY
);
INSERT INTO signal_id_key (key) VALUES (lower(hex(randomblob(32))));

CREATE TRIGGER signal_id_key_insert BEFORE INSERT ON signal_id_key
BEGIN
    SELECT RAISE(ABORT, 'signal_id_key is immutable: INSERT refused');
END;

CREATE TRIGGER signal_id_key_update BEFORE UPDATE ON signal_id_key
BEGIN
    SELECT RAISE(ABORT, 'signal_id_key is immutable: UPDATE refused');
END;

CREATE TRIGGER signal_id_key_delete BEFORE DELETE ON signal_id_key
BEGIN
    SELECT RAISE(ABORT, 'signal_id_key is immutable: DELETE refused');
END;
