//! What can be subscribed to.

pub(crate) mod docs;
pub(crate) mod handlers;
pub(crate) mod views;
