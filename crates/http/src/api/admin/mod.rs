//! What administrators see and change.

pub(crate) mod analytics;
pub(crate) mod audit;
pub(crate) mod docs;
mod parameters;
pub(crate) mod producers;
pub(crate) mod revenue;
pub(crate) mod roles;
mod user_views;
pub(crate) mod users;
pub(crate) mod views;
