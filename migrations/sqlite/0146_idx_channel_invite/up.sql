-- On whose behalf somebody asks to be let in.
CREATE UNIQUE INDEX IF NOT EXISTS idx_channel_invite ON channel_memberships (platform, invite) WHERE invite IS NOT NULL;
