//! How Redis is doing, for `/health`.

use alpine_domain::ports::health::{Condition, Probe, Report};
use async_trait::async_trait;

use super::{
    RedisHandle,
    circuit::{Seen, State},
};

/// Reports what the background probe knows; asking costs nothing and never waits. Not essential:
/// every use of Redis has a fallback.
#[derive(Debug)]
pub struct RedisProbe(Option<RedisHandle>);

impl RedisProbe {
    /// A probe of `redis`, or one that says that none is configured.
    pub fn new(redis: Option<RedisHandle>) -> Self {
        Self(redis)
    }
}

#[async_trait]
impl Probe for RedisProbe {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn is_essential(&self) -> bool {
        false
    }

    async fn probe(&self) -> Report {
        let Some(redis) = &self.0 else {
            return Report { condition: Condition::NotConfigured, detail: None };
        };
        if redis.is_in_use() {
            return Report { condition: Condition::Up, detail: None };
        }
        if *redis.shared().state.borrow() == State::Suspect {
            let detail = "answered late; being looked at, local fallbacks are used";
            return Report { condition: Condition::Degraded, detail: Some(detail.to_owned()) };
        }
        let seen = *redis.shared().seen.borrow();
        let (condition, detail) = match seen {
            Seen::Nothing => (Condition::Down, "not reached yet; local fallbacks are used"),
            Seen::Answering => (Condition::Degraded, "back, and about to be used again"),
            Seen::Slow => (Condition::Degraded, "too slow; local fallbacks are used"),
            Seen::Unreachable => (Condition::Down, "not reachable; local fallbacks are used"),
        };
        Report { condition, detail: Some(detail.to_owned()) }
    }
}
