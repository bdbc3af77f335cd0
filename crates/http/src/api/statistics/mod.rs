//! The public record: statistics over closed signals.

pub(crate) mod docs;
pub(crate) mod handlers;
mod parameters;
pub(crate) mod shown;
pub(crate) mod views;
