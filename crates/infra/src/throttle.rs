//! Something that happens once in an interval at most, a line in the log for example.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::sync;

/// Lets one of many callers through, once in an interval.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Throttle {
    /// Lets the first caller through at once.
    pub(crate) fn new(interval: Duration) -> Self {
        Self::after(Duration::ZERO, interval)
    }

    /// Lets the first caller through after `delay`.
    pub(crate) fn after(delay: Duration, interval: Duration) -> Self {
        Self { interval, next: Mutex::new(Instant::now() + delay) }
    }

    /// Whether this caller is let through.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    /// Lets the next caller through after one interval.
    pub(crate) fn restart(&self) {
        *sync::lock(&self.next) = Instant::now() + self.interval;
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut next = sync::lock(&self.next);
        let is_due = now >= *next;
        if is_due {
            *next = now + self.interval;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_one_through_in_each_interval() {
        let throttle = Throttle::new(Duration::from_mins(1));
        let start = Instant::now();
        let at = |seconds| throttle.is_due_at(start + Duration::from_secs(seconds));
        assert_eq!(
            [0, 1, 59, 60, 61, 119, 120].map(at),
            [true, false, false, true, false, false, true]
        );
    }

    #[test]
    fn the_first_one_may_be_delayed_and_a_restart_begins_anew() {
        let throttle = Throttle::after(Duration::from_secs(2), Duration::from_mins(1));
        let start = Instant::now();
        assert!(!throttle.is_due_at(start + Duration::from_secs(1)));
        assert!(throttle.is_due_at(start + Duration::from_secs(3)));
        throttle.restart();
        assert!(!throttle.is_due_at(start + Duration::from_secs(30)));
        assert!(throttle.is_due_at(start + Duration::from_secs(61)));
    }
}
