//! A clock that never steps.

use std::time::{Duration, Instant};

use alpine_domain::{AgreedTime, Clock, Timestamp, time::SystemClock};

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

/// The time while the machine's wall clock and its steady clock agree.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineTime(MonotonicClock);

impl MachineTime {
    /// How far the two may be apart.
    const TOLERANCE: Duration = Duration::from_secs(1);

    /// Whatever the machine's clock shows now is taken for right.
    pub fn new() -> Self {
        Self::default()
    }
}

impl AgreedTime for MachineTime {
    fn agreed_now(&self) -> Option<Timestamp> {
        let (steady, wall) = (self.0.now(), SystemClock.now());
        (steady.since(wall).max(wall.since(steady)) <= Self::TOLERANCE).then_some(steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_forward_from_the_machine_time() {
        let clock = MonotonicClock::new();
        let first = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() > first);
        assert!(SystemClock.now().since(first) < Duration::from_secs(5));
    }
}
