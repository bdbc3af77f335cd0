-- What producers reported of signals that had expired: beside the expiry, once, and never changed.
-- The key is the table's row number as well, so that no other number leads to a row. pnl_steps as in outcomes.
CREATE TABLE late_outcomes (
    signal_id INTEGER PRIMARY KEY NOT NULL REFERENCES outcomes (signal_id),
    status TEXT NOT NULL CHECK (status IN ('target_hit', 'stop_hit', 'closed', 'expired')),
    exit_price TEXT NOT NULL,
    pnl_steps BIGINT NOT NULL,
    exit_timestamp TEXT NOT NULL,
    closed_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);

-- A second one is left out, also by REPLACE, as in 0010; the first must stand beside an expiry.
CREATE TRIGGER late_outcomes_insert BEFORE INSERT ON late_outcomes
BEGIN
    SELECT RAISE(IGNORE) WHERE EXISTS (SELECT 1 FROM late_outcomes WHERE signal_id = NEW.signal_id);
    SELECT RAISE(ABORT, 'late_outcomes: the signal has not expired') WHERE NOT EXISTS (
        SELECT 1 FROM outcomes
        WHERE signal_id = NEW.signal_id AND status = 'expired' AND exit_price IS NULL
    );
END;

CREATE TRIGGER late_outcomes_update BEFORE UPDATE ON late_outcomes
BEGIN
    SELECT RAISE(ABORT, 'late_outcomes is immutable: UPDATE refused');
END;

CREATE TRIGGER late_outcomes_delete BEFORE DELETE ON late_outcomes
BEGIN
    SELECT RAISE(ABORT, 'late_outcomes is immutable: DELETE refused');
END;
