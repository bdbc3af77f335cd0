-- Who may push signals in, what they said, and how it ended.
CREATE TABLE producers (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    key_hash TEXT NOT NULL UNIQUE,
    is_simulated BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- Prices and confidence_text are the producer's own digits; confidence is the nearest double, for comparing.
-- signal_timestamp is the producer's text to the letter, signalled_at the same as an instant.
CREATE TABLE signals (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    producer_id BIGINT NOT NULL REFERENCES producers (id),
    external_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('BUY', 'SELL')),
    entry_price TEXT NOT NULL,
    target_price TEXT,
    stop_price TEXT,
    confidence DOUBLE PRECISION NOT NULL CHECK (confidence >= 0 AND confidence <= 100),
    confidence_text TEXT NOT NULL,
    strategy TEXT,
    asset_type TEXT NOT NULL,
    data_source TEXT,
    reasoning TEXT,
    regime TEXT,
    consensus_agreement TEXT,
    sources_count BIGINT,
    signal_timestamp TEXT NOT NULL,
    signalled_at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    is_simulated BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT true,
    created_at BIGINT NOT NULL,
    UNIQUE (producer_id, external_id)
);

-- pnl_steps: profit or loss in steps of 10^-8 percent of the entry.
CREATE TABLE outcomes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    signal_id BIGINT NOT NULL UNIQUE REFERENCES signals (id),
    status TEXT NOT NULL CHECK (status IN ('target_hit', 'stop_hit', 'closed', 'expired')),
    exit_price TEXT,
    pnl_steps BIGINT,
    exit_timestamp TEXT,
    closed_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);
