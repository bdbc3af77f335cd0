-- What a user has open, or has ended.
CREATE INDEX IF NOT EXISTS idx_sign_in_challenge_user ON sign_in_challenges (user_id);
