//! A clock that never steps.

use std::time::Instant;

use alpine_domain::{Clock, Timestamp, time::SystemClock};

/// Shows the machine's time as of its creation plus what has passed since by the monotonic clock.
/// The limiter uses it: a machine clock set back would otherwise freeze its windows, one set
/// forward empty them.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    started: Instant,
    shown: Timestamp,
}

impl MonotonicClock {
    /// A clock that shows the machine's time now.
    pub fn new() -> Self {
        Self { started: Instant::now(), shown: SystemClock.now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Timestamp {
        self.shown.later(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_forward_from_the_machine_time() {
        let clock = MonotonicClock::new();
        let first = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(clock.now() > first);
        assert!(SystemClock.now().since(first) < std::time::Duration::from_secs(5));
    }
}
