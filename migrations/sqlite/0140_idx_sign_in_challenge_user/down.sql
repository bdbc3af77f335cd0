DROP INDEX IF EXISTS idx_sign_in_challenge_user;
