//! Signals for readers: lists, one, files.

mod csv;
pub(crate) mod docs;
pub(crate) mod export;
mod exported;
mod file_format;
pub(crate) mod handlers;
pub(crate) mod parameters;
pub(crate) mod verification;
pub(crate) mod views;
pub(crate) mod visibility;
