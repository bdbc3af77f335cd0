ALTER TABLE signals DROP COLUMN origin;
