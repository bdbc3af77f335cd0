DROP TRIGGER outcomes_delete;
DROP TRIGGER outcomes_update;
DROP TRIGGER signals_delete;
DROP TRIGGER signals_update;
