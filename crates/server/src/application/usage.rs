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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use alpine_domain::{
        Result, Timestamp,
        account::UserId,
        analytics::{Counted, Day, Rollup, RollupDifference, RollupName, RollupStore},
        time::SystemClock,
    };
    use async_trait::async_trait;

    use super::*;

    /// What was added to sums, write by write.
    #[derive(Default)]
    struct Sums(Mutex<Vec<Vec<(RollupName, i64)>>>);

    #[async_trait]
    impl RollupStore for Sums {
        async fn add(&self, counted: Vec<Counted>) -> Result<()> {
            let added = counted.into_iter().map(|(key, value)| (key.name, value)).collect();
            self.0.lock().unwrap().push(added);
            Ok(())
        }

        async fn note_active(&self, _: Vec<UserId>, _: Day) -> Result<()> {
            Ok(())
        }

        async fn since(&self, _: Day) -> Result<Vec<Rollup>> {
            Ok(Vec::new())
        }

        async fn recount(&self, _: Option<Timestamp>) -> Result<Vec<RollupDifference>> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn what_was_counted_last_is_written_when_the_instance_stops() {
        let sums = Arc::new(Sums::default());
        let usage = Arc::new(Usage::new(sums.clone(), Arc::new(SystemClock)));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(usage.clone(), stopped));
        tokio::task::yield_now().await;
        usage.answered(429);
        stop.send_replace(true);
        task.await.unwrap();
        let expected = vec![vec![(RollupName::Requests, 1), (RollupName::Limited, 1)]];
        assert_eq!(*sums.0.lock().unwrap(), expected);
    }
}
