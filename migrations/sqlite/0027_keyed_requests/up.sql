-- Requests that named a key (Idempotency-Key), a day each. name: who sends it, and the key. fingerprint: a digest of what
-- was asked for. lease, held_until: who answers it, and until when nobody else does. status and what follows: the answer, if
-- there is one.
CREATE TABLE keyed_requests (
    name TEXT PRIMARY KEY NOT NULL,
    fingerprint TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    lease TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    status BIGINT,
    media_type TEXT,
    location TEXT,
    body TEXT
);
