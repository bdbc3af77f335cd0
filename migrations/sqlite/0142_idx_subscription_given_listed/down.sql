DROP INDEX IF EXISTS idx_subscription_given_listed;
