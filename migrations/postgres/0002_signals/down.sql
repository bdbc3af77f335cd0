DROP TABLE outcomes;
DROP TABLE signals;
DROP TABLE producers;
