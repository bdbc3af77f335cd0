//! The limiter of several instances.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use ::redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, cmd};
use alpine_domain::{
    Clock,
    ports::{
        rate_limit::{Decision, RateLimiter, RatePolicy, Window},
        secrets::Randomness as _,
    },
};
use async_trait::async_trait;

use super::{
    arithmetic::{Grid, Reading, Readings},
    caller::CallerId,
    counters::Source,
    local::{Counting, Local, LocalLimits, Question, own_part, refusal},
};
use crate::{
    InfraMetrics,
    mutants::{Mechanism, is_off},
    redis::{Connection, RedisHandle},
    secrets::OsRandomness,
    sync,
};

/// Callers of whom a returned Redis is told before it is used, at most, and at once.
const MAX_TOLD: usize = 10_000;
const BATCH: usize = 200;
const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);

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

/// A limiter that counts in Redis, by its clock, with at most one script call a request.
///
/// * A caller that asks often is granted several admissions at once, a lease, which the following
///   requests use without asking. It lives for a second at most and is charged as if all of it were
///   used at its end, so no interval ever holds more than the limit.
/// * A refusal is remembered until the moment at which Redis says that it can change.
/// * Every admission is counted locally too. So the local limiter is warm when Redis goes away; what
///   it admits meanwhile is charged when Redis is back; and when Redis has forgotten a caller, which
///   the script notices by the number of calls that it has counted for each instance, everything
///   that this instance has admitted is charged anew in the same call.
///
/// A call that ran into the deadline may have been counted as well as its local replacement:
/// admissions can be lost to a caller that way, never gained.
pub struct RedisRateLimiter {
    redis: RedisHandle,
    shared: Arc<Shared>,
    metrics: Arc<InfraMetrics>,
}

struct Shared {
    local: Local,
    instances: NonZeroU32,
    /// Names this instance in Redis.
    instance: String,
    prefix: String,
    /// The script's text and its name in Redis.
    code: String,
    script: Script,
    /// Keys of words that Redis keeps as long as it keeps anything. On a cluster each master forgets for
    /// itself, so there is one in each part of the slots. They are looked at when Redis comes back into
    /// use; what is forgotten without that, by one node or by all, the script notices for each caller.
    markers: Vec<String>,
    memory: Mutex<Option<Vec<Option<String>>>>,
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
        let code = code();
        let shared = Arc::new(Shared {
            local: Local::new(limits.local, clock, Arc::clone(&metrics)),
            instances: limits.instances,
            instance: word(),
            prefix: redis.key("limit"),
            script: Script::new(&code),
            code,
            markers: redis.everywhere("limit:memory"),
            memory: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        redis.before_use(Arc::new(move |connection| {
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
    /// The arguments of the script that ask `question`.
    fn words(&self, question: &Question<'_>) -> Cmd {
        let policy = question.counting.policy;
        let mut call = cmd("EVALSHA");
        call.arg(self.script.get_hash()).arg(1).arg(self.key(policy, question.id));
        let charged_late =
            if is_off(Mechanism::LeaseChargeLate) { 0 } else { question.counting.counted.life };
        call.arg(question.wanted).arg(life_of(policy)).arg(charged_late);
        call.arg(&self.instance).arg(question.known);
        let counts = question.owed_by_window.iter().zip(&question.mine_by_window);
        for (window, (owed, mine)) in policy.windows.iter().zip(counts) {
            let grid = Grid::of(window.length);
            let mine = if is_off(Mechanism::LossDetection) { owed } else { mine };
            let owed = owed + u32::from(is_off(Mechanism::LimiterAllOrNothing));
            let own_parts =
                own_part(policy, window, self.instances).saturating_mul(self.instances.get());
            call.arg(window.length.as_micros().to_string())
                .arg(grid.step)
                .arg(grid.steps)
                .arg(window.limit - own_parts)
                .arg(owed)
                .arg(mine);
        }
        if is_off(Mechanism::LimiterServerClock) {
            call.arg(self.local.now());
        }
        call
    }

    /// Before Redis is used (again): loads the script, and charges what was admitted meanwhile; if
    /// Redis, or a part of it, has lost its memory, all that this instance has admitted. Callers
    /// beyond a bound are told of by their own next request.
    async fn bring_up_to_date(&self, mut connection: Connection) -> RedisResult<()> {
        connection.load_script(&self.code).await?;
        let has_forgotten = self.look_for_loss(&mut connection).await?;
        for (counting, callers) in self.local.to_tell(has_forgotten, MAX_TOLD) {
            for batch in callers.chunks(BATCH) {
                let questions: Vec<_> =
                    batch.iter().filter_map(|mark| counting.report(*mark)).collect();
                // Their keys are in different slots.
                let calls: Vec<_> = questions.iter().map(|q| self.words(q)).collect();
                let answers: Vec<Vec<i64>> = connection.query_all(&calls).await?;
                for (question, answer) in questions.into_iter().zip(answers) {
                    if let Some(answer) = Answer::of(&answer, counting.policy.windows.len()) {
                        question.answered(answer.calls, 0, &answer.readings);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether one of the marked words is another one by now. Writes those that are missing.
    async fn look_for_loss(&self, connection: &mut Connection) -> RedisResult<bool> {
        let word = word();
        let set = |marker| {
            let mut set = cmd("SET");
            set.arg(marker).arg(&word).arg("NX");
            set
        };
        let get = |marker| {
            let mut get = cmd("GET");
            get.arg(marker);
            get
        };
        let sets: Vec<_> = self.markers.iter().map(set).collect();
        connection.query_all::<Option<String>>(&sets).await?;
        let gets: Vec<_> = self.markers.iter().map(get).collect();
        let found: Vec<Option<String>> = connection.query_all(&gets).await?;
        let mut memory = sync::lock(&self.memory);
        let has_forgotten = memory.as_ref().is_some_and(|known| *known != found);
        *memory = Some(found);
        Ok(has_forgotten && !is_off(Mechanism::LossDetection))
    }

    /// One key for all windows of a caller, so a cluster finds them in one slot.
    fn key(&self, policy: &RatePolicy, id: CallerId) -> String {
        format!("{}:{}:{{{}}}", self.prefix, policy.name, id.hex())
    }

    /// This instance's part of every limit.
    fn part(&self, windows: &[Window]) -> Vec<Window> {
        if is_off(Mechanism::FallbackShare) {
            return windows.to_vec();
        }
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

/// What the script returned.
struct Answer {
    admitted: u32,
    calls: u64,
    readings: Readings,
}

impl Answer {
    /// Half an answer is none.
    fn of(words: &[i64], windows: usize) -> Option<Self> {
        let [admitted, calls, rest @ ..] = words else {
            return None;
        };
        let readings = rest.chunks_exact(3).map(|r| Reading {
            used: u32::try_from(r[0]).unwrap_or(u32::MAX),
            retry_after: r[1],
            reset_after: r[2],
        });
        let readings: Readings = readings.collect();
        (readings.len() == windows).then_some(Self {
            admitted: u32::try_from(*admitted).ok()?,
            calls: u64::try_from(*calls).ok()?,
            readings,
        })
    }
}

impl RedisRateLimiter {
    async fn ask(&self, question: &Question<'_>) -> Option<Answer> {
        let call = &self.shared.words(question);
        let code = &self.shared.code;
        let answer: Vec<i64> = self
            .redis
            .run(|mut c| async move {
                match call.query_async(&mut c).await {
                    // Flushed or replaced since it was loaded.
                    Err(error) if error.kind() == NO_SCRIPT => {
                        c.load_script(code).await?;
                        call.query_async(&mut c).await
                    }
                    other => other,
                }
            })
            .await
            .ok()?;
        let read = Answer::of(&answer, question.counting.policy.windows.len());
        if read.is_none() {
            self.metrics.redis_failures.with_label_values(&["reply"]).inc();
            tracing::error!(?answer, "the rate limiter's script answered what it never should");
        }
        read
    }

    async fn decide(&self, counting: Counting<'_>, caller: &str) -> (Decision, Source) {
        let shared = &*self.shared;
        let question = match counting.plan(caller, shared.instances) {
            Err(answered) => return answered,
            Ok(question) => question,
        };
        if let Some(Answer { admitted, calls, readings }) = self.ask(&question).await {
            return (question.answered(calls, admitted, &readings), Source::Shared);
        }
        // The debt goes back first, so that the local decision adds to it.
        drop(question);
        let part = shared.part(&counting.policy.windows);
        let owing = !is_off(Mechanism::DebtAfterOutage);
        self.metrics.limit_fallbacks.inc();
        (counting.admit(&part, caller, owing), Source::Fallback)
    }
}

fn code() -> String {
    let code = include_str!("admit.lua");
    if is_off(Mechanism::LimiterServerClock) {
        // The host's clock comes as the last argument.
        return code.replace("redis.call('TIME')", "{ 0, ARGV[#ARGV] }");
    }
    code.to_owned()
}

/// Half a random UUID's worth of randomness, as text.
fn word() -> String {
    let mut word = [0; 8];
    OsRandomness.fill(&mut word);
    hex::encode(word)
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    fn admit_now(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        let Some(counting) = self.shared.local.of(policy) else { return Some(refusal(policy)) };
        let (decision, source) = counting.known(caller, self.shared.instances)?;
        counting.counted.counters.count(&decision, source);
        Some(decision)
    }

    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let Some(counting) = self.shared.local.of(policy) else { return refusal(policy) };
        let (decision, source) = self.decide(counting, caller).await;
        counting.counted.counters.count(&decision, source);
        decision
    }
}
