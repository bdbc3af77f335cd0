//! What producers push in.

pub(crate) mod handlers;
pub(crate) mod views;
