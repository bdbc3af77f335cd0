//! The whole stack, as the server runs it, over SQLite.

mod audit;
mod edge;
mod fakes;
mod harness;
mod limits;
mod openapi;
mod parameters;
mod problems;
mod repeats;
mod roles;
mod routes;
mod second_factor;
mod signals;
mod two_questions;
