//! What producers push in.

mod bodies;
pub(crate) mod docs;
pub(crate) mod handlers;
pub(crate) mod views;
