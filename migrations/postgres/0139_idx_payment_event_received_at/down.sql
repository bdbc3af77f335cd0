DROP INDEX CONCURRENTLY IF EXISTS idx_payment_event_received_at;
