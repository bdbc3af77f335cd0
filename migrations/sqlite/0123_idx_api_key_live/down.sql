DROP INDEX IF EXISTS idx_api_key_live;
