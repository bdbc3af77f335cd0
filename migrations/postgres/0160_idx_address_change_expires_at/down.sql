DROP INDEX CONCURRENTLY IF EXISTS idx_address_change_expires_at;
