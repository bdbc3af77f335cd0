//! Who pays, and what for: the user's own subscription, what the provider sends, and what the owner should look at.

mod bodies;
pub(crate) mod development;
pub(crate) mod docs;
pub(crate) mod handlers;
mod parameters;
pub(crate) mod views;
