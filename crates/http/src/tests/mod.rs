//! The whole stack, as the server runs it, over in-memory ports.

mod edge;
mod fakes;
mod harness;
mod limits;
mod openapi;
mod parameters;
mod problems;
mod routes;
mod signals;
mod stores;
