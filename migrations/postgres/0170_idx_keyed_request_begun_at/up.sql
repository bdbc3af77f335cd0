-- The oldest requests that named a key, which are deleted first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_keyed_request_begun_at ON keyed_requests (begun_at);
