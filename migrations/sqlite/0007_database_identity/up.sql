-- One row: the random id of this database, by which what is kept outside of it (in Redis) is told from
-- that of another database. It never changes.
CREATE TABLE database_identity (
    is_only BOOLEAN NOT NULL PRIMARY KEY CHECK (is_only),
    id TEXT NOT NULL CHECK (length(id) = 32)
);
INSERT INTO database_identity (is_only, id) VALUES (1, lower(hex(randomblob(16))));
