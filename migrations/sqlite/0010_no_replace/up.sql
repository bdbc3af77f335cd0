-- REPLACE deletes the row that is in the way, and unless the connection sets recursive_triggers, no trigger on DELETE
-- notices. These hold on every connection: a row's number is never used again, and a row with a key that is taken is
-- left out, which is what Alpine's own INSERT … ON CONFLICT DO NOTHING asks for.
CREATE TRIGGER signals_insert BEFORE INSERT ON signals
BEGIN
    SELECT RAISE(ABORT, 'signals is immutable: REPLACE refused')
    WHERE EXISTS (SELECT 1 FROM signals WHERE id = NEW.id);
    SELECT RAISE(IGNORE) WHERE EXISTS
        (SELECT 1 FROM signals WHERE producer_id = NEW.producer_id AND external_id = NEW.external_id);
END;

CREATE TRIGGER outcomes_insert BEFORE INSERT ON outcomes
BEGIN
    SELECT RAISE(ABORT, 'outcomes is immutable: REPLACE refused')
    WHERE EXISTS (SELECT 1 FROM outcomes WHERE id = NEW.id);
    SELECT RAISE(IGNORE) WHERE EXISTS (SELECT 1 FROM outcomes WHERE signal_id = NEW.signal_id);
END;
