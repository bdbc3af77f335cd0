-- What was published never changes and is never deleted. The one change allowed: a signal closes.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION signal_may_only_close() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed signals := OLD;
BEGIN
    closed.is_active := false;
    IF OLD.is_active AND NEW IS NOT DISTINCT FROM closed THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'signals is immutable: only is_active may change, from true to false'
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER signals_update BEFORE UPDATE ON signals
    FOR EACH ROW EXECUTE FUNCTION signal_may_only_close();
CREATE TRIGGER signals_delete BEFORE DELETE ON signals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signals_truncate BEFORE TRUNCATE ON signals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outcomes_update BEFORE UPDATE ON outcomes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outcomes_delete BEFORE DELETE ON outcomes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outcomes_truncate BEFORE TRUNCATE ON outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
