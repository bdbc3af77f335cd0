//! Health, metrics, the description of the API and its page.

pub(crate) mod health;
pub(crate) mod pages;
