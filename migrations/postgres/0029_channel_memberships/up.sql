-- Who is in which place of a messenger, on whose behalf, and why. A word of state with an intent in it is written before the
-- messenger is asked. `member` is the messenger's id of a person, `invite` names what was given to come in by.
CREATE TABLE channel_memberships (
    user_id TEXT NOT NULL REFERENCES users (id),
    platform TEXT NOT NULL,
    place TEXT NOT NULL,
    state TEXT NOT NULL,
    why TEXT NOT NULL,
    since BIGINT NOT NULL,
    member TEXT,
    invite TEXT,
    link TEXT,
    link_until BIGINT,
    trouble TEXT,
    recheck_at BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, platform, place)
);
