//! A clock that never steps.

use alpine_domain::{Clock, Timestamp, time::SystemClock};

/// Shows the machine's time as of its creation plus what has passed since by a clock that only runs
/// forward, on Linux also while the machine is suspended. The limiter uses it: a machine clock set back
/// would otherwise freeze its windows, one set forward empty them.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    /// The machine's time minus [`passed`], in microseconds.
    offset: i64,
}

impl MonotonicClock {
    /// A clock that shows the machine's time now.
    pub fn new() -> Self {
        Self { offset: SystemClock.now().micros().saturating_sub(passed()) }
    }
}

/// Microseconds since some instant. Asked several times in each request, so without 128 bits.
#[cfg(target_os = "linux")]
fn passed() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// Microseconds since some instant.
#[cfg(not(target_os = "linux"))]
fn passed() -> i64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let passed = FIRST.get_or_init(std::time::Instant::now).elapsed();
    i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(passed().saturating_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
