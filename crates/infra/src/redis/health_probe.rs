//! The state of Redis, for `/health`.

use alpine_domain::ports::health::{Condition, Probe, Report};
use async_trait::async_trait;

use super::{
    circuit::{ProbeResult, State},
    handle::RedisHandle,
};
use crate::sync;

/// Reports what the background probe found last; reading that never waits. Not essential: every use of
/// Redis has a fallback.
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
            let advice = *sync::lock(&redis.shared().advice);
            let detail = advice.map(|advice| advice.text().to_owned());
            return Report { condition: Condition::Up, detail };
        }
        if *redis.shared().state.borrow() == State::Suspect {
            let detail = "a use failed and is being examined; local fallbacks are used";
            return Report { condition: Condition::Degraded, detail: Some(detail.to_owned()) };
        }
        let last_probe = *redis.shared().last_probe.borrow();
        let (condition, detail) = match last_probe {
            ProbeResult::NotProbed => (Condition::Down, "not reached yet"),
            ProbeResult::Usable => (Condition::Degraded, "Redis is about to be used again"),
            ProbeResult::Failed(cause) if cause.is_answering() => {
                (Condition::Degraded, cause.text())
            }
            ProbeResult::Failed(cause) => (Condition::Down, cause.text()),
        };
        let detail = format!("{detail}; local fallbacks are used");
        Report { condition, detail: Some(detail) }
    }
}
