//! The background probe. Only it closes the circuit; no request tries whether Redis is back.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    address::RedisUrl,
    cause::Cause,
    circuit::{ProbeResult, Shared, State},
    memory::Memory,
    settings::PROBE_DEADLINE,
};
use crate::{random_text, sync};

/// Consecutive answers within the request deadline that close an open circuit.
const ANSWERS_TO_CLOSE: u32 = 3;
/// Probes of a suspect Redis, each for the request deadline at most, before the circuit opens.
const SUSPECT_PROBES: u32 = 4;
const SUSPECT_PAUSE: Duration = Duration::from_millis(5);
/// How long one recovery hook may take.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(2);

/// Runs until the task is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    if shared.namespace.get().is_none() {
        shared.identified.notified().await;
    }
    if shared.connection().is_none() {
        shared.reconnect().await;
    }
    loop {
        match shared.state() {
            State::Closed => probe_closed(&shared).await,
            State::Suspect => probe_suspect(&shared).await,
            State::Open => probe_open(&shared).await,
        }
    }
}

/// Probes every `check_interval`: so a closed circuit has proved a write within that time, whether
/// requests use Redis or not, and the address still leads to the server in use.
async fn probe_closed(shared: &Shared) {
    tokio::select! {
        () = sleep(shared.settings.check_interval) => {
            let value = random_text();
            if shared.probe(PROBE_DEADLINE, &value).await.is_err() {
                shared.suspect();
                return;
            }
            shared.check_memory().await;
            // Looking that up may take long; a use that fails meanwhile goes first.
            let has_moved = tokio::select! {
                has_moved = shared.connector.has_moved(&shared.write_check, &value) => has_moved,
                () = shared.probe_now.notified() => false,
            };
            if has_moved {
                // The old server works as before. Probing it any longer proves nothing.
                shared.open(Cause::Moved);
                shared.reconnect().await;
            }
        }
        () = shared.probe_now.notified() => {}
    }
}

/// Probes at once and often whether a failed use was an exception; no request uses Redis until that is
/// known. The hooks run in any case: Redis may have restarted, and requests were decided locally.
async fn probe_suspect(shared: &Shared) {
    let mut good = 0;
    let mut cause = Cause::Unreachable;
    for _ in 0..SUSPECT_PROBES {
        if let Err(failure) = shared.probe(shared.settings.deadline, &random_text()).await {
            (good, cause) = (0, failure);
            sleep(SUSPECT_PAUSE).await;
            continue;
        }
        good += 1;
        // One prompt answer may be chance.
        if good >= 2 {
            match shared.recover().await {
                Ok(()) => return shared.close(),
                Err(failure) => cause = failure,
            }
        }
    }
    shared.open(cause);
    shared.reconnect().await;
}

/// Probes until Redis has answered in time several times in a row, then runs the hooks and closes the
/// circuit.
async fn probe_open(shared: &Shared) {
    let interval = shared.settings.probe_interval;
    let mut good = 0;
    loop {
        match shared.probe(PROBE_DEADLINE, &random_text()).await {
            Ok(took) if took <= shared.settings.deadline => {
                shared.last_probe.send_replace(ProbeResult::Usable);
                good += 1;
            }
            // The first answer on a new connection includes connecting.
            Ok(_) => {
                good = 0;
                shared.still_open(Cause::Slow);
            }
            Err(cause) => {
                good = 0;
                shared.still_open(cause);
                shared.reconnect().await;
            }
        }
        // At the start nothing was lost, so one answer is enough.
        let is_first = !shared.was_used.load(Ordering::Relaxed);
        if good >= ANSWERS_TO_CLOSE || (is_first && good > 0) {
            match shared.recover().await {
                Ok(()) => {
                    shared.was_used.store(true, Ordering::Relaxed);
                    shared.close();
                    return shared.check_memory().await;
                }
                Err(cause) => {
                    good = 0;
                    shared.still_open(cause);
                    // Part of it may be away. A new connection looks the masters up again.
                    shared.reconnect().await;
                }
            }
        }
        sleep(if good > 0 { interval / 5 } else { interval }).await;
    }
}

impl Shared {
    /// Probes once, by writing `value`. Returns how long that took.
    async fn probe(&self, limit: Duration, value: &str) -> Result<Duration, Cause> {
        let mut connection = self.connection().ok_or(Cause::Unreachable)?;
        let started = Instant::now();
        let probe = async {
            connection.check_role().await?;
            self.write_check.run(&mut connection, value).await
        };
        match timeout(limit, probe).await {
            Ok(Ok(())) if self.is_full().await => Err(Cause::OutOfMemory),
            Ok(Ok(())) => Ok(started.elapsed()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a probe of Redis failed");
                let cause = Cause::of(&error).unwrap_or(Cause::UnexpectedReply);
                self.note(cause);
                Err(self.at_first(cause, Some(&error)))
            }
            Err(_) => Err(self.at_first(Cause::Unreachable, None)),
        }
    }

    /// What a failed probe means, as long as the address may be wrong.
    fn at_first(&self, cause: Cause, error: Option<&redis::RedisError>) -> Cause {
        if self.was_used.load(Ordering::Relaxed) {
            return cause;
        }
        let has_tls = self.settings.url.as_ref().is_some_and(RedisUrl::has_tls);
        cause.at_first(error, has_tls)
    }

    /// Runs the recovery hooks on a Redis that can be written and may have lost everything.
    async fn recover(&self) -> Result<(), Cause> {
        let hooks = sync::lock(&self.recovery_hooks).clone();
        for hook in hooks {
            let connection = self.connection().ok_or(Cause::Unreachable)?;
            match timeout(RECOVERY_DEADLINE, hook(connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    if let Some(cause) = Cause::of(&error) {
                        return Err(cause);
                    }
                    // It concerns one key. The others can be used.
                    tracing::warn!(%error, "Redis takes only part of what it missed");
                }
                Err(_) => return Err(Cause::Slow),
            }
        }
        Ok(())
    }

    /// Makes a new connection, to the present master or by the present map of slots: a connection whose
    /// other end went silent never reports a fault by itself. Keeps the old one if that fails.
    async fn reconnect(&self) {
        match self.connector.connect().await {
            Ok(fresh) => *sync::write(&self.connection) = Some(fresh),
            Err(error) => tracing::debug!(%error, "no way to Redis is known for now"),
        }
    }

    /// Whether writes were refused for lack of memory and there is too little of it still. A small write
    /// that succeeds does not prove that larger ones do.
    async fn is_full(&self) -> bool {
        if !self.is_full.load(Ordering::Relaxed) {
            return false;
        }
        let is_full = self.memory().await.is_some_and(|all| all.iter().any(Memory::is_nearly_full));
        self.is_full.store(is_full, Ordering::Relaxed);
        is_full
    }

    /// What the servers say of their memory; `None`, and a line in the log once, if they do not.
    async fn memory(&self) -> Option<Vec<Memory>> {
        let mut connection = self.connection()?;
        match timeout(PROBE_DEADLINE, connection.memory()).await.ok()? {
            Ok(all) if !all.is_empty() => Some(all),
            Err(error) if Cause::of(&error).is_some_and(|cause| cause != Cause::LacksRights) => {
                None
            }
            Ok(_) | Err(_) => {
                if !self.hides_memory.swap(true, Ordering::Relaxed) {
                    tracing::info!("Redis does not tell of its memory: its limit is not checked");
                }
                None
            }
        }
    }

    /// Measures the memory, and warns of limits that do not fit this use, when that changes.
    async fn check_memory(&self) {
        let Some(all) = self.memory().await else { return };
        let used = all.iter().map(|memory| memory.used).sum::<u64>();
        self.metrics.redis_memory.set(i64::try_from(used).unwrap_or(i64::MAX));
        let Some(bodies) = self.bodies.get() else { return };
        // Bodies are spread over the masters of a cluster.
        let each = bodies / all.len() as u64;
        let advice = all.iter().find_map(|memory| memory.advice(each));
        if std::mem::replace(&mut *sync::lock(&self.advice), advice) != advice
            && let Some(advice) = advice
        {
            tracing::warn!(address = self.settings.address(), "{}", advice.text());
        }
    }
}
