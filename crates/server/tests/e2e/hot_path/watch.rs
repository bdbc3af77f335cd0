//! What clients saw, with the instants between which they saw it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alpine_testing::Wait;

use crate::support::Client;

/// A request as its client knows it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub sent: Instant,
    pub answered: Instant,
    pub status: u16,
}

impl Seen {
    pub fn took(&self) -> Duration {
        self.answered - self.sent
    }
}

/// What many clients saw.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    /// Sends one request and notes its answer.
    pub async fn get(&self, client: &Client, path: &str) -> u16 {
        let sent = Instant::now();
        let status = client.get(path).await.status.as_u16();
        self.0.lock().unwrap().push(Seen { sent, answered: Instant::now(), status });
        status
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// Those with this status.
    pub fn of(&self, status: u16) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.status == status).collect()
    }
}

/// What one instance did, every other one goes by for requests sent later than Δ, 2 s, after it.
pub fn within_delta(since: Instant) -> Wait {
    const DELTA: Duration = Duration::from_secs(2);
    Wait::promised(
        DELTA,
        since,
        "Δ: \"One log, many readers\" and the invariants of ARCHITECTURE.md",
    )
}

/// The most requests that were both sent and answered within any interval of `length`.
pub fn most_within(seen: &[Seen], length: Duration) -> usize {
    let within = |first: &Seen| {
        let end = first.sent + length;
        seen.iter().filter(|one| one.sent >= first.sent && one.answered <= end).count()
    };
    seen.iter().map(within).max().unwrap_or(0)
}

/// Numbers that look random and are the same in every run.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound` (`SplitMix64`).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
