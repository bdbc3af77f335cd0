DROP INDEX IF EXISTS idx_user_tier_active;
