//! The whole stack, as the server runs it, over SQLite.

mod edge;
mod fakes;
mod harness;
mod limits;
mod openapi;
mod parameters;
mod problems;
mod routes;
mod signals;
mod two_questions;
