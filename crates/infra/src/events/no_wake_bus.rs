//! For an instance that knows of no other.

use alpine_domain::ports::events::EventBus;
use async_trait::async_trait;

/// Wakes nobody, and nobody wakes it: its own changes it has applied when it commits them, and those of
/// commands it finds at its next poll.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWakeBus;

#[async_trait]
impl EventBus for NoWakeBus {
    fn wake(&self) {}

    async fn woken(&self) {
        std::future::pending::<()>().await;
    }
}
