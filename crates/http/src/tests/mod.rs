//! The whole stack, as the server runs it, over SQLite.

mod audit;
mod billing;
mod edge;
mod fakes;
mod figures;
mod harness;
mod limits;
mod notifications;
mod openapi;
mod parameters;
mod problems;
mod repeats;
mod roles;
mod routes;
mod second_factor;
mod signals;
mod two_questions;
