DROP INDEX CONCURRENTLY IF EXISTS idx_user_stripe_customer;
