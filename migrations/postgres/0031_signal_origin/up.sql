-- Whether a signal was received live, decided when it was. NULL where a release that kept none stored it: its times tell
-- then. The trigger on updates compares whole rows.
ALTER TABLE signals ADD COLUMN origin TEXT;
