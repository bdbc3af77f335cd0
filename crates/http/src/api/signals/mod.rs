//! Signals for readers: lists, one, files.

pub(crate) mod export;
pub(crate) mod handlers;
pub(crate) mod views;
