//! How much is seeded.

use alpine_domain::Timestamp;

/// How many rows, and when the newest one was received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) signals: i64,
    pub(crate) until: Timestamp,
}
