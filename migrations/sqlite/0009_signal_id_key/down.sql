DROP TABLE signal_id_key;
