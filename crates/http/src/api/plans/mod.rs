//! What can be subscribed to.

pub(crate) mod handlers;
pub(crate) mod views;
