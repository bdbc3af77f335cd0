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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use alpine_domain::{
        Result, Timestamp,
        audit::{Action, AuditCount, AuditLine, AuditQuery, AuditStore, Reason, StoredLine},
        time::SystemClock,
    };
    use async_trait::async_trait;

    use super::*;

    /// The lines that were added.
    #[derive(Default)]
    struct Lines(Mutex<Vec<AuditLine>>);

    #[async_trait]
    impl AuditStore for Lines {
        async fn append(&self, lines: Vec<AuditLine>) -> Result<()> {
            self.0.lock().unwrap().extend(lines);
            Ok(())
        }

        async fn page(&self, _: AuditQuery) -> Result<Vec<StoredLine>> {
            Ok(Vec::new())
        }

        async fn counts(&self, _: Timestamp) -> Result<Vec<AuditCount>> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn what_was_refused_last_is_written_when_the_instance_stops() {
        let lines = Arc::new(Lines::default());
        let denials = Arc::new(Denials::new(lines.clone(), Arc::new(SystemClock)));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(denials.clone(), stopped));
        tokio::task::yield_now().await;
        denials.note(Action::SignIn, Reason::Disabled, None);
        stop.send_replace(true);
        task.await.unwrap();
        let written: Vec<_> =
            lines.0.lock().unwrap().iter().map(|line| (line.action, line.count)).collect();
        assert_eq!(written, [(Action::SignIn, 1)]);
    }
}
