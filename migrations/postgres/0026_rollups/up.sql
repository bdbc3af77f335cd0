-- Sums by day, added to by the transactions that cause them. day: days since 1970-01-01 in UTC, 0 for what is a state and
-- no sum of a day. key: which part, a tier for example.
CREATE TABLE rollups (
    day BIGINT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (day, name, key)
);

-- On which day a user signed in or called last. Refers to no row of users: whoever notes many of them locks none there.
CREATE TABLE user_activity (
    user_id TEXT NOT NULL PRIMARY KEY,
    last_day BIGINT NOT NULL
);

INSERT INTO user_activity (user_id, last_day)
SELECT s.user_id, max(s.created_at) / 86400000000
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE u.is_active GROUP BY s.user_id;

INSERT INTO rollups (day, name, key, value)
SELECT last_day, 'active', '', COUNT(*) FROM user_activity GROUP BY last_day;

INSERT INTO rollups (day, name, key, value)
SELECT 0, 'users', tier, COUNT(*) FROM users WHERE email <> id || '@deleted.invalid' GROUP BY tier;

INSERT INTO rollups (day, name, key, value)
SELECT day, 'sign_ups', '', COUNT(*)
FROM (SELECT (created_at - ((created_at % 86400000000) + 86400000000) % 86400000000) / 86400000000 AS day FROM users) AS days
GROUP BY day;

INSERT INTO rollups (day, name, key, value)
SELECT day, 'signals', key, COUNT(*)
FROM (
    SELECT (created_at - ((created_at % 86400000000) + 86400000000) % 86400000000) / 86400000000 AS day,
        CASE WHEN is_simulated THEN 'simulated' ELSE 'live' END AS key
    FROM signals
) AS days
GROUP BY day, key;
