DROP TABLE channel_memberships;
