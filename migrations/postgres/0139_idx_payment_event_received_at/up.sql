-- The oldest events of the provider, which are deleted first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_payment_event_received_at ON payment_events (received_at);
