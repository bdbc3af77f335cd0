DROP TABLE late_outcomes;
DROP FUNCTION late_outcome_needs_expiry();
