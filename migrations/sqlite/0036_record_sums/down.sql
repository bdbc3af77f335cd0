DROP TABLE record_seal;
DROP TABLE record_sums;
