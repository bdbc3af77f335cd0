-- Who did what, to whom, when and from where: by ids and digests only. A line is written in the transaction of its
-- cause and never changes. It is deleted once it is old; whoever asks, no line younger than 30 days by the
-- database's clock is. count: how many refusals that were alike it stands for.
CREATE TABLE audit_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT,
    address_digest TEXT,
    request_id TEXT,
    reason TEXT,
    detail TEXT,
    count BIGINT NOT NULL,
    is_security BOOLEAN NOT NULL
);

-- How often, by whole hours: what a day's figures are added up from. hour: its beginning, in microseconds.
CREATE TABLE audit_counts (
    hour BIGINT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (hour, action, outcome)
);

CREATE FUNCTION keep_young_audit_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at > (extract(epoch FROM clock_timestamp()) - 30 * 86400) * 1000000 THEN
        RAISE EXCEPTION 'audit_log is append-only: DELETE of a line younger than 30 days refused'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION keep_young_audit_lines();
CREATE TRIGGER audit_log_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
