//! Waiting for something to hold, and saying who promised when it would.
//!
//! A test of "not later than" fails when the promise is kept late. What counts is the instant at which the
//! last question was *sent* that still got the old answer: how long an answer takes on a busy machine does
//! not matter. Where nobody promised anything, the test says what it waits for instead.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// A wait for what nobody promised ends after this, so that no test hangs.
const UNPROMISED: Duration = Duration::from_secs(30);

/// How long a test waits, from when on, and why.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    since: Instant,
    limit: Duration,
    reason: &'static str,
}

impl Wait {
    /// For what is promised to hold not later than `limit` after `since`, the instant of its cause. `promise`
    /// says where that stands, and what a busy machine is forgiven besides.
    pub fn promised(limit: Duration, since: impl Into<Instant>, promise: &'static str) -> Self {
        Self { since: since.into(), limit, reason: promise }
    }

    /// For what nobody promised to hold by some instant. `why` says whom the test waits for.
    pub fn unpromised(why: &'static str) -> Self {
        Self { since: Instant::now(), limit: UNPROMISED, reason: why }
    }

    /// Asks until the answer is yes. Says how long after the cause the last question was sent whose answer
    /// was no; nothing if there was none.
    ///
    /// # Panics
    /// As soon as a question that was sent later than the limit is answered with no.
    pub async fn until(self, what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
        let mut last = Duration::ZERO;
        loop {
            let sent = self.since.elapsed();
            if holds().await {
                return last;
            }
            last = self.note(sent, what);
            sleep(PAUSE).await;
        }
    }

    /// Asks until there is an answer, and returns it.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    pub async fn until_some<T>(self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        loop {
            let sent = self.since.elapsed();
            if let Some(answer) = ask().await {
                return answer;
            }
            self.note(sent, what);
            sleep(PAUSE).await;
        }
    }

    /// [`until`](Self::until) for a test without a runtime.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    pub fn until_blocking(self, what: &str, mut holds: impl FnMut() -> bool) {
        self.until_some_blocking(what, || holds().then_some(()));
    }

    /// [`until_some`](Self::until_some) for a test without a runtime.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    pub fn until_some_blocking<T>(self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        loop {
            let sent = self.since.elapsed();
            if let Some(answer) = ask() {
                return answer;
            }
            self.note(sent, what);
            std::thread::sleep(PAUSE);
        }
    }

    /// Takes note of a question that was answered with no.
    fn note(self, sent: Duration, what: &str) -> Duration {
        let Self { limit, reason, .. } = self;
        assert!(sent <= limit, "{what}: not yet when asked after {sent:?}; {limit:?}: {reason}");
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What holds `late` after `since`, asked for by questions that take a while.
    async fn holds_after(since: Instant, late: Duration, takes: Duration) -> bool {
        let holds = since.elapsed() >= late;
        sleep(takes).await;
        holds
    }

    #[tokio::test(start_paused = true)]
    async fn what_counts_is_when_the_last_old_answer_was_asked_for() {
        let since = Instant::now();
        // The last question that gets the old answer is sent right at the limit, and answered later.
        let wait = Wait::promised(SECOND, since, "a second");
        let last = wait
            .until("it", async || {
                holds_after(since, SECOND + PAUSE, Duration::from_millis(495)).await
            })
            .await;
        assert_eq!((last, since.elapsed()), (SECOND, Duration::from_millis(1_995)));
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "it: not yet when asked after 1.005s; 1s: a second")]
    async fn an_old_answer_that_was_asked_for_too_late_fails() {
        let since = Instant::now();
        let wait = Wait::promised(SECOND, since, "a second");
        let late = SECOND + 2 * PAUSE;
        wait.until("it", async || holds_after(since, late, Duration::ZERO).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_cause_and_not_from_the_first_question() {
        let since = Instant::now();
        sleep(5 * SECOND).await;
        let wait = Wait::promised(SECOND, since, "a second");
        assert_eq!(wait.until("it", async || true).await, Duration::ZERO);
        assert_eq!(wait.until_some("it", async || Some(1)).await, 1);
        wait.until_blocking("it", || true);
        let failed = tokio::spawn(async move {
            wait.until_some("it", async || None::<()>).await;
        });
        assert!(failed.await.unwrap_err().is_panic());
    }

    #[test]
    #[should_panic(expected = "nobody is asked for long")]
    fn a_thread_that_waits_for_a_promise_fails_as_well() {
        let since = Instant::now();
        let wait = Wait::promised(Duration::ZERO, since, "nobody is asked for long");
        wait.until_blocking("it", || since.elapsed() > SECOND);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "30s: nobody knows")]
    async fn a_wait_without_a_promise_ends() {
        Wait::unpromised("nobody knows").until("it", async || false).await;
    }
}
