//! The bus of one process.

use alpine_domain::ports::events::EventBus;
use async_trait::async_trait;
use tokio::sync::Notify;

/// Wakes the one follower of this process. A wake-up nobody waits for yet is kept; several are one.
#[derive(Debug, Default)]
pub struct MemoryBus(Notify);

impl MemoryBus {
    /// A bus that has woken nobody yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn wake(&self) {
        self.0.notify_one();
    }

    async fn woken(&self) {
        self.0.notified().await;
    }
}
