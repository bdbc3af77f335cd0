DROP INDEX IF EXISTS idx_event_kind_seq;
