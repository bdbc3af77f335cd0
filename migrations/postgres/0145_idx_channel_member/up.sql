-- Whose a member of a place is: one account's alone.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_channel_member ON channel_memberships (platform, place, member) WHERE member IS NOT NULL;
