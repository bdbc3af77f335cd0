//! What the application takes from outside.

use std::sync::Arc;

use alpine_domain::{AgreedTime, Clock, ports::secrets::Randomness, time::SystemClock};
use alpine_infra::{MachineTime, MonotonicClock, secrets::OsRandomness};

/// What the application takes from outside: time and chance.
#[derive(Clone)]
pub struct Ports {
    /// What time it is, for everything that is stored, delayed or expires.
    pub clock: Arc<dyn Clock>,
    /// What time it is, for what ends things for ever.
    pub agreed_time: Arc<dyn AgreedTime>,
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
            agreed_time: Arc::new(MachineTime::new()),
            steady: Arc::new(MonotonicClock::new()),
            randomness: Arc::new(OsRandomness),
        }
    }
}
