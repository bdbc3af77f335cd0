-- What producers reported of signals that had expired: beside the expiry, once, and never changed.
-- pnl_steps as in outcomes.
CREATE TABLE late_outcomes (
    signal_id BIGINT PRIMARY KEY REFERENCES outcomes (signal_id),
    status TEXT NOT NULL CHECK (status IN ('target_hit', 'stop_hit', 'closed', 'expired')),
    exit_price TEXT NOT NULL,
    pnl_steps BIGINT NOT NULL,
    exit_timestamp TEXT NOT NULL,
    closed_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);

-- The path is kept, since a restore of data alone runs without one.
CREATE FUNCTION late_outcome_needs_expiry() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM outcomes
        WHERE signal_id = NEW.signal_id AND status = 'expired' AND exit_price IS NULL
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'late_outcomes: the signal has not expired' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER late_outcomes_insert BEFORE INSERT ON late_outcomes
    FOR EACH ROW EXECUTE FUNCTION late_outcome_needs_expiry();
CREATE TRIGGER late_outcomes_update BEFORE UPDATE ON late_outcomes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER late_outcomes_delete BEFORE DELETE ON late_outcomes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER late_outcomes_truncate BEFORE TRUNCATE ON late_outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
