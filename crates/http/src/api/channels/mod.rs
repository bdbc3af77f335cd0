//! Channels of messengers: where a member stands, and what the messengers tell.

mod bodies;
pub(crate) mod docs;
pub(crate) mod handlers;
pub(crate) mod views;
