//! Health, metrics, the description of the API and its page.

pub(crate) mod docs;
pub(crate) mod handlers;
pub(crate) mod home;
pub(crate) mod pages;
mod views;
