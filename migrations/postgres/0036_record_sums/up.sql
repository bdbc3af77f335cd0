-- What happened to signals, added up: by day, month and all time, for each choice of signals that can be asked for. An empty
-- text stands for all strategies, producers, symbols. segment: exact sums, as JSON.
CREATE TABLE record_sums (
    level TEXT NOT NULL,
    record TEXT NOT NULL,
    late TEXT NOT NULL,
    strategy TEXT NOT NULL,
    producer TEXT NOT NULL,
    symbol TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    segment TEXT NOT NULL,
    PRIMARY KEY (level, record, late, strategy, producer, symbol, bucket)
);
-- What happened before sealed_until is in the sums, as far as it was in the log up to position.
CREATE TABLE record_seal (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed_until BIGINT NOT NULL,
    position BIGINT NOT NULL
);
INSERT INTO record_seal (id, sealed_until, position) VALUES (1, -62104060800000000, 0);
