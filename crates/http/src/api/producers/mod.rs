//! What producers push in.

mod bodies;
pub(crate) mod docs;
pub(crate) mod handlers;
mod parameters;
pub(crate) mod views;
