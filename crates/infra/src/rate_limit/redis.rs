//! The limiter of several instances.

use std::{num::NonZeroU32, sync::Arc};

use ::redis::Script;
use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RateLimiter, RatePolicy, Window},
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{
    arithmetic::{Grid, Reading, decision},
    local::{Local, LocalLimits},
};
use crate::{InfraMetrics, redis::RedisHandle};

/// Settings of the shared limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimits {
    /// Bounds of the local limiter that stands in while Redis is away.
    pub local: LocalLimits,
    /// How many instances share the limits; default 1. While Redis is away each admits its part,
    /// at least one request a window.
    pub instances: NonZeroU32,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { local: LocalLimits::default(), instances: NonZeroU32::MIN }
    }
}

/// A limiter that counts in Redis, by its clock, with one script call a request.
///
/// Every admission is counted locally too. So a caller that this instance alone has admitted up to
/// the limit is refused without asking, the local limiter is warm when Redis goes away, and what was
/// admitted meanwhile is charged to the caller in Redis by its first call after the return. A call
/// that ran into the deadline may have been counted as well as its local replacement: admissions can
/// be lost to a caller that way, never gained.
pub struct RedisRateLimiter {
    redis: RedisHandle,
    local: Local,
    instances: NonZeroU32,
    script: Script,
    metrics: Arc<InfraMetrics>,
}

impl RedisRateLimiter {
    /// A limiter over `redis`. `clock` is the local limiter's; use a
    /// [`MonotonicClock`](crate::MonotonicClock) outside tests.
    pub fn new(
        limits: SharedLimits,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        Self {
            redis,
            local: Local::new(limits.local, clock, Arc::clone(&metrics)),
            instances: limits.instances,
            script: Script::new(include_str!("admit.lua")),
            metrics,
        }
    }

    async fn ask(
        &self,
        policy: &RatePolicy,
        caller: &str,
        owed: &[u32],
    ) -> Option<(Decision, u32)> {
        let mut call = self.script.prepare_invoke();
        call.key(self.key(policy, caller)).arg(1).arg(life_of(policy));
        for (window, owed) in policy.windows.iter().zip(owed) {
            let grid = Grid::of(window.length);
            call.arg(window.length.as_micros().to_string())
                .arg(grid.step)
                .arg(grid.steps)
                .arg(window.limit)
                .arg(*owed);
        }
        let call = &call;
        let answer: Vec<i64> =
            self.redis.run(|mut c| async move { call.invoke_async(&mut c).await }).await.ok()?;
        let (admitted, rest) = answer.split_first()?;
        let readings: Vec<Reading> = rest
            .chunks_exact(3)
            .map(|r| Reading {
                used: u32::try_from(r[0]).unwrap_or(u32::MAX),
                retry_after: r[1],
                reset_after: r[2],
            })
            .collect();
        // Half an answer is none.
        if readings.len() != policy.windows.len() {
            return None;
        }
        let admitted = u32::try_from(*admitted).ok()?;
        Some((decision(&policy.windows, &readings, admitted > 0), admitted))
    }

    /// One key for all windows of a caller, so a cluster finds them in one slot; the caller is
    /// hashed, which keeps addresses and ids of people out of Redis.
    fn key(&self, policy: &RatePolicy, caller: &str) -> String {
        let digest = Sha256::digest(caller.as_bytes());
        self.redis.key(&format!("limit:{}:{{{}}}", policy.name, hex::encode(&digest[..16])))
    }

    /// This instance's part of every limit.
    fn part(&self, windows: &[Window]) -> Vec<Window> {
        windows
            .iter()
            .map(|w| Window { length: w.length, limit: (w.limit / self.instances).max(1) })
            .collect()
    }
}

/// Milliseconds for which a caller's key can matter.
fn life_of(policy: &RatePolicy) -> i64 {
    let longest = policy
        .windows
        .iter()
        .map(|w| {
            let grid = Grid::of(w.length);
            grid.step.saturating_mul(grid.steps + 1)
        })
        .max()
        .unwrap_or(0);
    longest / 1_000 + 1_000
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let decision = match self.local.look(policy, caller) {
            Err(refusal) => refusal,
            Ok(debt) => {
                if let Some((decision, admitted)) = self.ask(policy, caller, &debt.per_window).await
                {
                    debt.settled();
                    self.local.record(policy, caller, admitted);
                    decision
                } else {
                    // The debt goes back first, so that the local decision adds to it.
                    drop(debt);
                    self.metrics.limit_fallbacks.inc();
                    let part = self.part(&policy.windows);
                    self.local.admit(policy, &part, caller, true)
                }
            }
        };
        self.local.tell(policy, &decision);
        decision
    }
}
