DROP INDEX IF EXISTS idx_subscription_attention;
