DROP INDEX IF EXISTS idx_user_stripe_customer;
