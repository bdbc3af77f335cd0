-- segment was JSON; it is postcard now, a third of the size. WITHOUT ROWID: rows lie in the order of their key, which is stored
-- once. The sums are made anew from what is stored.
DROP TABLE record_sums;
CREATE TABLE record_sums (
    level TEXT NOT NULL,
    record TEXT NOT NULL,
    late TEXT NOT NULL,
    strategy TEXT NOT NULL,
    producer TEXT NOT NULL,
    symbol TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    segment BLOB NOT NULL CHECK (typeof(segment) = 'blob'),
    PRIMARY KEY (level, record, late, strategy, producer, symbol, bucket)
) WITHOUT ROWID;
CREATE INDEX idx_record_sum_bucket ON record_sums (level, (bucket + 0));
UPDATE record_seal SET sealed_until = -62104060800000000, position = 0;
