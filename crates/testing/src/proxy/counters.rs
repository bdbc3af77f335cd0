//! What has gone through a proxy.

use std::sync::atomic::AtomicU64;

/// Shared by all connections of a proxy.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) to_server: AtomicU64,
    pub(super) to_client: AtomicU64,
    pub(super) swallowed: AtomicU64,
    /// The number of the last change of fault that the listener has applied.
    pub(super) applied: AtomicU64,
}
