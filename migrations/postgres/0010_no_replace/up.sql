-- PostgreSQL has no REPLACE: INSERT … ON CONFLICT DO UPDATE is an update, which the triggers refuse.
SELECT 1;
