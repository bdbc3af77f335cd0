-- What has to be done after a commit, once, by any instance. Written in the transaction of the cause, deleted when
-- it is done. due_at: when it may be claimed; claiming moves it to the end of the lease, so that a job whose holder
-- has died is due again by itself. lease: who holds it. failed_at: given up, until an operator asks for it again.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    unique_key TEXT,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    lease TEXT,
    failed_at BIGINT,
    last_error TEXT
);
