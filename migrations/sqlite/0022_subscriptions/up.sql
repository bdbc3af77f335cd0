-- What is kept of a user who is, or was, a customer (users.stripe_customer_id): the provider's state as it was read last.
-- subscribed: what the subscriptions by themselves were good for; given: the tier that payment gave and did not take
-- back. readings, applied: a reading is numbered before it is made, and of two the later one counts. recheck_at: when the
-- state is to be read though nothing is heard. listed_at: when the provider listed the customer last. attention_since:
-- since when the owner should look, because the provider says something else, or because of `problem`.
CREATE TABLE subscriptions (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    subscription_id TEXT,
    item_id TEXT,
    status TEXT,
    tier TEXT,
    paid_every TEXT,
    cents BIGINT,
    period_end BIGINT,
    is_ending BOOLEAN NOT NULL DEFAULT 0 CHECK (is_ending IN (0, 1)),
    trial_end BIGINT,
    subscribed TEXT,
    given TEXT,
    problem TEXT,
    readings BIGINT NOT NULL DEFAULT 0,
    applied BIGINT NOT NULL DEFAULT 0,
    read_at BIGINT,
    recheck_at BIGINT,
    listed_at BIGINT,
    attention_since BIGINT
);

-- Events of the provider that were taken: each has one effect, however often it comes.
CREATE TABLE payment_events (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    received_at BIGINT NOT NULL
);

-- The provider's invoices, as they were read last. tier: what was paid for, as it was when the invoice was read first. Amounts are hundredths of the currency.
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    number TEXT,
    subscription_id TEXT,
    tier TEXT,
    status TEXT NOT NULL,
    due_cents BIGINT NOT NULL,
    paid_cents BIGINT NOT NULL,
    refunded_cents BIGINT NOT NULL,
    is_disputed BOOLEAN NOT NULL DEFAULT 0 CHECK (is_disputed IN (0, 1)),
    currency TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    paid_at BIGINT,
    url TEXT,
    pdf TEXT
);
