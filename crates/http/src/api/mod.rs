//! One folder per capability, or one file while it is small: its handlers, what its answers look like, and
//! what is said of its routes.
//! A handler extracts, calls one use case, and maps the result.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod billing;
pub(crate) mod channels;
pub(crate) mod notifications;
pub(crate) mod operations;
pub(crate) mod plans;
pub(crate) mod producers;
pub(crate) mod signals;
pub(crate) mod statistics;
