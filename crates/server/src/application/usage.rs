//! The task that adds what this instance answered to the sums.

use std::sync::Arc;

use alpine_domain::analytics::Usage;
use tokio::sync::watch;

/// Writes what was counted every [`Usage::INTERVAL`], and what is left when the tasks are stopped.
pub(super) async fn run(usage: Arc<Usage>, mut stopped: watch::Receiver<bool>) {
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(Usage::INTERVAL) => false,
            // An error means that the sender is gone: the application is, too.
            _ = stopped.wait_for(|stopped| *stopped) => true,
        };
        if let Err(error) = usage.flush().await {
            tracing::warn!(%error, "what was answered is not in the figures yet");
        }
        if is_last {
            return;
        }
    }
}
