-- The few customers whom the owner should look at.
CREATE INDEX IF NOT EXISTS idx_subscription_attention ON subscriptions (attention_since) WHERE attention_since IS NOT NULL;
