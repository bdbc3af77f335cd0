//! What a user is told of.

pub(crate) mod docs;
pub(crate) mod handlers;
mod parameters;
pub(crate) mod preferences;
pub(crate) mod views;
