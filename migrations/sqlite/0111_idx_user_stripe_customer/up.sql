-- The user behind a payment event.
CREATE UNIQUE INDEX IF NOT EXISTS idx_user_stripe_customer ON users (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;
