-- Every place in which a member is known: whose link was followed last is whose member it is in all of them.
CREATE INDEX IF NOT EXISTS idx_channel_known ON channel_memberships (platform, member) WHERE member IS NOT NULL;
