//! The limiter on Redis, for several instances.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use ::redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, cmd};
use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RateLimiter, RatePolicy, Window},
};
use async_trait::async_trait;

use super::{
    caller_id::RedisCallerId,
    debit_script::{CallContext, DebitAnswer, DebitScript},
    pending_debit::PendingDebit,
    policy_counts::{LocalCounts, PolicyLimiter, instance_share, own_part, refusal},
    policy_metrics::DecisionSource,
};
use crate::{
    InfraMetrics, random_text,
    redis::{Connection, RedisHandle},
    sync,
};

/// Callers that are reported to Redis before it is used again, at most. The others are reported by
/// their own next request.
const MAX_REPORTED: usize = 10_000;
/// Callers that are reported in one pipeline.
const BATCH: usize = 200;
const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);

/// Settings of the limiter on Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimits {
    /// Callers of each policy that are counted one by one in memory, where the limiter decides while
    /// Redis is away; further ones share cells.
    pub max_callers: usize,
    /// How many instances share the limits. While Redis is away each admits its part of a
    /// limit, and at least one request a window.
    pub instances: NonZeroU32,
}

/// A limiter that counts in Redis, by the server's clock, with at most one script call a request.
///
/// * A caller that asks often is granted several admissions at once, a lease, which its following
///   requests use without a call. A lease lives for a second at most and is charged as if all of it
///   were used at its end, so no interval ever holds more than the limit.
/// * A refusal is remembered until the moment at which Redis says that it can change.
/// * Every admission is counted in memory too. So the counts are there when Redis goes away, and what
///   is admitted meanwhile is charged when Redis is back. When Redis has forgotten a caller, which
///   the script notices by the number of calls that it has counted for each instance, everything
///   that this instance has admitted is charged anew in the same call.
///
/// A call that ran into the deadline may have been counted by Redis as well as here: admissions can be
/// lost to a caller that way, never gained.
pub struct RedisRateLimiter {
    redis: RedisHandle,
    shared: Arc<Shared>,
    metrics: Arc<InfraMetrics>,
}

/// What requests and the recovery of Redis use.
struct Shared {
    local: LocalCounts,
    instances: NonZeroU32,
    /// The id of this instance in Redis.
    instance: String,
    redis: RedisHandle,
    script: DebitScript,
    /// The values of the loss markers when they were last read.
    marker_values: Mutex<Option<Vec<Option<String>>>>,
}

impl RedisRateLimiter {
    /// A limiter over `redis`. `clock` is for the counts in memory; use a
    /// [`MonotonicClock`](crate::MonotonicClock) outside tests.
    pub fn new(
        limits: SharedLimits,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let shared = Arc::new(Shared {
            local: LocalCounts::new(limits.max_callers, clock, Arc::clone(&metrics)),
            instances: limits.instances,
            instance: random_text(),
            redis: redis.clone(),
            script: DebitScript::new(),
            marker_values: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        redis.on_recovery(Arc::new(move |connection| {
            let shared = weak.upgrade();
            Box::pin(async move {
                match shared {
                    Some(shared) => shared.bring_up_to_date(connection).await,
                    None => Ok(()),
                }
            })
        }));
        Self { redis, shared, metrics }
    }
}

impl Shared {
    /// `None` until the deployment is known, which it is whenever Redis is in use.
    fn call(&self, debit: &PendingDebit<'_>) -> Option<Cmd> {
        let policy = debit.limiter.policy;
        let limit = |window: &Window| {
            let own_part = own_part(policy, window, self.instances);
            window.limit - own_part.saturating_mul(self.instances.get())
        };
        let context = CallContext {
            key: self.key(policy, debit.redis_id)?,
            instance: &self.instance,
            limits: policy.windows.iter().map(limit).collect(),
        };
        Some(self.script.call(debit, &context))
    }

    /// Runs before Redis is used (again): loads the script, and charges the admissions that Redis
    /// lacks. If Redis, or a part of it, has lost its memory, that is all admissions of this instance.
    async fn bring_up_to_date(&self, mut connection: Connection) -> RedisResult<()> {
        connection.load_script(&self.script.text).await?;
        let has_lost_memory = self.check_for_loss(&mut connection).await?;
        for (limiter, callers) in self.local.callers_to_report(has_lost_memory, MAX_REPORTED) {
            for batch in callers.chunks(BATCH) {
                let debits: Vec<_> = batch.iter().filter_map(|id| limiter.report(*id)).collect();
                // Their keys are in different slots.
                let calls: Vec<_> = debits.iter().filter_map(|debit| self.call(debit)).collect();
                let answers: Vec<Vec<i64>> = connection.query_all(&calls).await?;
                for (debit, answer) in debits.into_iter().zip(answers) {
                    let windows = &limiter.policy.windows;
                    if let Some(answer) = DebitAnswer::read(&answer, windows, 0) {
                        debit.answered(answer.calls, 0, &answer.states);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether Redis has lost its memory since the last time, by the random values of some keys, the
    /// markers: one has another value, or had none and is written. On a cluster each master loses its
    /// own memory, so there is one in each part of the slots. They are read when Redis comes back into
    /// use. A loss in between is noticed by the script, for each caller. A forged value only makes this
    /// instance report once more.
    async fn check_for_loss(&self, connection: &mut Connection) -> RedisResult<bool> {
        let Some(namespace) = self.redis.namespace() else { return Ok(false) };
        let markers = self.redis.keys_for_all_slots(&namespace.key("limit:memory"));
        let value = random_text();
        let set = |marker| {
            let mut set = cmd("SET");
            set.arg(marker).arg(&value).arg("NX");
            set
        };
        let get = |marker| {
            let mut get = cmd("GET");
            get.arg(marker);
            get
        };
        let sets: Vec<_> = markers.iter().map(set).collect();
        connection.query_all::<Option<String>>(&sets).await?;
        let gets: Vec<_> = markers.iter().map(get).collect();
        let found: Vec<Option<String>> = connection.query_all(&gets).await?;
        let mut values = sync::lock(&self.marker_values);
        let has_lost_memory = values.as_ref().is_some_and(|known| *known != found);
        *values = Some(found);
        Ok(has_lost_memory)
    }

    /// One key for all windows of a caller, so on a cluster they are in one slot.
    fn key(&self, policy: &RatePolicy, id: RedisCallerId) -> Option<String> {
        let name = format!("limit:{}:{{{}}}", policy.name, id.hex());
        self.redis.namespace().map(|namespace| namespace.key(&name))
    }
}

impl RedisRateLimiter {
    async fn send(&self, debit: &PendingDebit<'_>) -> Option<DebitAnswer> {
        let call = &self.shared.call(debit)?;
        let text = &self.shared.script.text;
        let numbers: Vec<i64> = self
            .redis
            .run(|mut c| async move {
                match call.query_async(&mut c).await {
                    // The scripts were flushed, or this server is another one.
                    Err(error) if error.kind() == NO_SCRIPT => {
                        c.load_script(text).await?;
                        call.query_async(&mut c).await
                    }
                    other => other,
                }
            })
            .await
            .ok()?;
        let windows = &debit.limiter.policy.windows;
        let answer = DebitAnswer::read(&numbers, windows, debit.requested);
        if answer.is_none() {
            self.metrics.redis_failures.with_label_values(&["reply"]).inc();
            tracing::error!(?numbers, "the rate limiter's script gave an answer of another form");
        }
        answer
    }

    async fn decide(&self, limiter: PolicyLimiter<'_>, caller: &str) -> (Decision, DecisionSource) {
        let shared = &*self.shared;
        let debit = match limiter.decide_or_debit(caller, shared.instances) {
            Err(decided) => return decided,
            Ok(debit) => debit,
        };
        if let Some(DebitAnswer { admitted, calls, states }) = self.send(&debit).await {
            return (debit.answered(calls, admitted, &states), DecisionSource::Shared);
        }
        // Gives back what it took, so that the local decision adds to it.
        drop(debit);
        let share = instance_share(&limiter.policy.windows, shared.instances);
        self.metrics.limit_fallbacks.inc();
        (limiter.admit(&share, caller, true), DecisionSource::Fallback)
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    fn admit_now(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        let Some(limiter) = self.shared.local.of(policy) else { return Some(refusal(policy)) };
        let (decision, source) = limiter.decide_locally(caller, self.shared.instances)?;
        limiter.counts.metrics.count(&decision, source);
        Some(decision)
    }

    fn known_refusal(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        self.shared.local.of(policy)?.known_refusal(&policy.windows, caller)
    }

    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let Some(limiter) = self.shared.local.of(policy) else { return refusal(policy) };
        let (decision, source) = self.decide(limiter, caller).await;
        limiter.counts.metrics.count(&decision, source);
        decision
    }
}
