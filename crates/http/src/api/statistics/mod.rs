//! The public record: statistics over closed signals.

pub(crate) mod handlers;
pub(crate) mod views;
