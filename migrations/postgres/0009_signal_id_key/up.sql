-- One row, made here and never changed: the key of the permutation that gives signals their public numbers.
CREATE TABLE signal_id_key (
    key TEXT NOT NULL PRIMARY KEY
);
-- 244 random bits: gen_random_uuid() is PostgreSQL's own strong generator.
INSERT INTO signal_id_key (key)
VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

CREATE TRIGGER signal_id_key_insert BEFORE INSERT ON signal_id_key
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signal_id_key_update BEFORE UPDATE ON signal_id_key
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signal_id_key_delete BEFORE DELETE ON signal_id_key
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signal_id_key_truncate BEFORE TRUNCATE ON signal_id_key
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
