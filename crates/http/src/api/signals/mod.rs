//! Signals for readers: lists, one, files.

pub(crate) mod docs;
pub(crate) mod export;
mod file_format;
pub(crate) mod handlers;
mod parameters;
pub(crate) mod views;
