DROP TRIGGER outcomes_insert;
DROP TRIGGER signals_insert;
