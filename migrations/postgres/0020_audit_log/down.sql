DROP TABLE audit_counts;
DROP TABLE audit_log;
DROP FUNCTION keep_young_audit_lines();
