//! The record where no script runs: pictures for websites and forums, and a feed.

mod badge;
mod curve;
pub(crate) mod docs;
mod feed;
pub(crate) mod handlers;
mod parameters;
mod theme;
