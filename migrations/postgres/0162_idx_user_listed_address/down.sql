DROP INDEX CONCURRENTLY IF EXISTS idx_user_listed_address;
