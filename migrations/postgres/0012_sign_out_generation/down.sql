-- What has ended stays so for a release that looks at revoked_at, and no token becomes good again.
UPDATE sessions SET address_digest = NULL
WHERE generation < (SELECT addresses_from FROM users WHERE users.id = sessions.user_id);
UPDATE sessions SET revoked_at = created_at
WHERE revoked_at IS NULL AND EXISTS (
    SELECT 1 FROM users CROSS JOIN database_identity
    WHERE users.id = sessions.user_id
        AND sessions.generation <> users.generation + database_identity.generation
        AND (sessions.generation > 0 OR users.signed_out_at IS NOT NULL OR database_identity.generation > 0)
);
UPDATE users SET generation = generation + (SELECT generation FROM database_identity);
ALTER TABLE users DROP COLUMN addresses_from;
ALTER TABLE users DROP COLUMN signed_out_at;
ALTER TABLE sessions DROP COLUMN generation;
ALTER TABLE database_identity DROP COLUMN generation;
