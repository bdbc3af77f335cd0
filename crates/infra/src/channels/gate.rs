//! Pauses that a service asks for.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alpine_domain::{Error, Result};
use tokio::time::{Instant, sleep_until};

/// A pause that a call waits for; for a longer one it is not made, and is tried again as a job.
const WORTH_WAITING: Duration = Duration::from_secs(3);

/// A pause is no longer than this, whatever is said.
const LONGEST: Duration = Duration::from_hours(1);

/// Until when a service wants to be asked nothing.
#[derive(Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Waits until the service may be asked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that takes too long.
    pub(super) async fn pass(&self, whose: &'static str) -> Result<()> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = until else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left > WORTH_WAITING {
            return Err(paused(whose, left));
        }
        sleep_until(until).await;
        Ok(())
    }

    /// The service asks for a pause.
    pub(super) fn close(&self, whose: &'static str, pause: Duration) -> Error {
        let pause = pause.min(LONGEST);
        let until = Instant::now() + pause;
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = Some(closed.map_or(until, |at| at.max(until)));
        paused(whose, pause)
    }
}

fn paused(whose: &'static str, pause: Duration) -> Error {
    let told = format!("it asks for a pause of {} s", pause.as_secs_f32().ceil());
    Error::Unavailable { what: whose, retry_after: pause, source: Some(told.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_short_pause_is_waited_for_and_a_long_one_told() {
        let gate = Gate::default();
        let started = Instant::now();
        gate.pass("it").await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);
        gate.close("it", Duration::from_secs(3));
        // A shorter one that is told later does not shorten it.
        gate.close("it", Duration::from_secs(1));
        gate.pass("it").await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(3));

        gate.close("it", Duration::from_hours(48));
        let refused = gate.pass("it").await.unwrap_err();
        let Error::Unavailable { retry_after, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(retry_after, LONGEST);
    }
}
