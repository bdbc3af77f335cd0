DROP TRIGGER outcomes_truncate ON outcomes;
DROP TRIGGER outcomes_delete ON outcomes;
DROP TRIGGER outcomes_update ON outcomes;
DROP TRIGGER signals_truncate ON signals;
DROP TRIGGER signals_delete ON signals;
DROP TRIGGER signals_update ON signals;
DROP FUNCTION signal_may_only_close();
DROP FUNCTION refuse_change();
