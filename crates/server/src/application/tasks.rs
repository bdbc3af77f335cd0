//! What runs beside requests: following the event log, expiry, retention.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, task::JoinSet};

macro_rules! tasks {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// A task that runs beside requests for as long as the application does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum BackgroundTask { $($(#[$doc])* $name,)+ }

        impl BackgroundTask {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in the log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

tasks! {
    /// Ends signals that were open for too long.
    Expiry = "expiry",
    /// Adds what happened to signals to the sums of the record.
    RecordSums = "sums of the record",
    /// Deletes sessions and API keys that ended long ago.
    Retention = "retention",
    /// Deletes old rows of the event log.
    EventRetention = "retention of events",
    /// Writes what was refused to the audit log.
    Denials = "audit of refusals",
    /// Has customers looked at of whom something is due. Where payments are taken.
    PaymentsDue = "payments that are due",
    /// Compares everybody who pays with what the provider says. Where payments are taken.
    PaymentsSweep = "comparison of payments",
    /// Adds a job for each digest that is due.
    Digests = "digests",
    /// Has memberships of channels looked at that could not be settled.
    Channels = "channels",
    /// Adds what was answered to the figures.
    Usage = "figures of answers",
    /// Does what has to be done after a commit.
    Jobs = "jobs",
    /// Compares the clocks once a second. Not with a clock that a test moves.
    Clock = "clock",
    /// Measures how old the last read of the event log is.
    FreshnessGauge = "freshness gauge",
    /// Says what was left out of the log. Of the program only.
    LogSummaries = "summaries of the log",
    /// Invites the first administrator, or plays the demo. Of the program only.
    FirstSteps = "first steps",
}

/// Background tasks that end together.
pub(crate) struct Tasks {
    running: JoinSet<()>,
    begun: Vec<BackgroundTask>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { running: JoinSet::new(), begun: Vec::new(), stop: watch::Sender::new(false) }
    }

    /// Runs `work` until it ends or the tasks are stopped, whichever comes first.
    pub(crate) fn spawn(
        &mut self,
        task: BackgroundTask,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn_until_stopped(task, |mut stopped| async move {
            tokio::select! {
                () = work => {}
                // An error means that the sender is gone: the application is, too.
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }

    /// Runs what ends by itself once it is told that the tasks are stopped.
    pub(crate) fn spawn_until_stopped<Fut>(
        &mut self,
        task: BackgroundTask,
        work: impl FnOnce(watch::Receiver<bool>) -> Fut,
    ) where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.begun.push(task);
        self.running.spawn(work(self.stop.subscribe()));
    }

    /// Calls `work` once every `interval`, counted from the end of the call before. A failed or
    /// panicked call is logged, and the next one comes all the same.
    pub(crate) fn every<F, Fut, E>(&mut self, task: BackgroundTask, interval: Duration, work: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let name = task.name();
        self.spawn(task, async move {
            loop {
                tokio::time::sleep(interval).await;
                match tokio::spawn(work()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(task = name, %error, "will be tried again"),
                    Err(panicked) => tracing::error!(task = name, %panicked, "will be tried again"),
                }
            }
        });
    }

    /// Those that were begun.
    pub(crate) fn begun(&self) -> &[BackgroundTask] {
        &self.begun
    }

    /// Stops all of them and waits until they have ended, for `patience` at most.
    pub(crate) async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("background tasks did not end in time and are cut off");
            self.running.abort_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_failing_or_panicking_call_does_not_end_the_task() {
        let calls = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&calls);
        let mut tasks = Tasks::new();
        tasks.every(BackgroundTask::Expiry, Duration::from_millis(5), move || {
            let call = seen.fetch_add(1, Ordering::SeqCst);
            async move {
                assert_ne!(call, 0, "the first call panics");
                if call == 1 { Err("the second one fails") } else { Ok(()) }
            }
        });
        let many = async {
            while calls.load(Ordering::SeqCst) < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), many).await.expect("it goes on");
        tasks.stop(Duration::from_secs(1)).await;
        let at_the_stop = calls.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(calls.load(Ordering::SeqCst), at_the_stop, "nothing runs after the stop");
    }
}
