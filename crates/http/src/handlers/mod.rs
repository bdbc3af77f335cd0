//! One file per capability. A handler extracts, calls one use case, and maps the result.

pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod docs;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod ingest;
pub(crate) mod payments;
pub(crate) mod performance;
pub(crate) mod signals;
pub(crate) mod users;
