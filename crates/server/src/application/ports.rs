//! What the application takes from outside.

use std::sync::Arc;

use alpine_domain::{Clock, ports::secrets::Randomness, time::SystemClock};
use alpine_infra::{MonotonicClock, secrets::OsRandomness};

/// What the application takes from outside: time and chance.
#[derive(Clone)]
pub struct Ports {
    /// What time it is, for everything that is stored, delayed or expires.
    pub clock: Arc<dyn Clock>,
    /// A clock that never steps, for counting requests.
    pub steady: Arc<dyn Clock>,
    /// For ids and secrets.
    pub randomness: Arc<dyn Randomness>,
}

impl Default for Ports {
    /// The machine's clocks and generator.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            steady: Arc::new(MonotonicClock::new()),
            randomness: Arc::new(OsRandomness),
        }
    }
}
