//! Sign-up, sign-in, sessions, the own profile, the own API keys, and the end.

pub(crate) mod api_keys;
pub(crate) mod auth;
mod bodies;
pub(crate) mod docs;
pub(crate) mod person;
pub(crate) mod profile;
mod qr;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod views;
