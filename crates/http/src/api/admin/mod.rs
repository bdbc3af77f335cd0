//! What administrators see and change.

pub(crate) mod audit;
pub(crate) mod docs;
mod parameters;
pub(crate) mod roles;
mod views;
