-- What the instances must tell each other, written in the transaction of the change. Numbers are
-- never used twice, rows become visible in ascending order.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    recorded_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL
);
