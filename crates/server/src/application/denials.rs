//! The task that writes what was refused to the audit log.

use std::sync::Arc;

use alpine_domain::audit::Denials;
use tokio::sync::watch;

/// Writes what was counted every [`Denials::INTERVAL`], and what is left when the tasks are stopped.
pub(super) async fn run(denials: Arc<Denials>, mut stopped: watch::Receiver<bool>) {
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(Denials::INTERVAL) => false,
            // An error means that the sender is gone: the application is, too.
            _ = stopped.wait_for(|stopped| *stopped) => true,
        };
        match denials.flush().await {
            Ok(flushed) if flushed.only_counted > 0 => {
                tracing::warn!(
                    refusals = flushed.only_counted,
                    "so many refusals that the audit log holds only the number of these"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "what was refused is not in the audit log yet");
            }
        }
        if is_last {
            return;
        }
    }
}
