//! Wake-ups within one process.

use alpine_domain::ports::events::EventBus;
use async_trait::async_trait;
use tokio::sync::Notify;

/// Wakes the follower of this process. A wake-up that nobody waits for yet is kept; several become one.
#[derive(Debug, Default)]
pub struct MemoryWakeBus(Notify);

impl MemoryWakeBus {
    /// A bus that has woken nobody yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl EventBus for MemoryWakeBus {
    async fn wake(&self) {
        self.0.notify_one();
    }

    async fn woken(&self) {
        self.0.notified().await;
    }
}
