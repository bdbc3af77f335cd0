-- How often everybody had been signed out when the token was made: what lets somebody in is good no more once that is
-- done again. NULL for a token of the release before, which is good until it ends.
ALTER TABLE mail_tokens ADD COLUMN everybody BIGINT;
