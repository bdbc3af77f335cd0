-- What has ended stays so for a release that looks at revoked_at.
UPDATE api_keys SET revoked_at = created_at
WHERE revoked_at IS NULL AND generation < (SELECT addresses_from FROM users WHERE users.id = api_keys.user_id);
ALTER TABLE api_keys DROP COLUMN generation;
