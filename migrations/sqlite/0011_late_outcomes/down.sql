DROP TABLE late_outcomes;
