ALTER TABLE mail_tokens DROP COLUMN everybody;
