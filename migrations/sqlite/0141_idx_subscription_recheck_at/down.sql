DROP INDEX IF EXISTS idx_subscription_recheck_at;
