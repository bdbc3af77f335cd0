DROP INDEX CONCURRENTLY IF EXISTS idx_keyed_request_begun_at;
