//! One contract, two back ends: every test here runs on a SQLite file and on a PostgreSQL database of
//! its own. PostgreSQL's server comes from `ALPINE_TEST_POSTGRES_URL`.

mod accounts;
mod api_keys;
mod closing;
mod events;
mod ingest;
mod lists;
mod migrations;
mod pool;
mod producers;
mod record;
mod support;
