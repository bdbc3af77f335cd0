//! Argon2id, off the asynchronous workers and only so many at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use alpine_domain::{
    Error, Result,
    ports::secrets::{HashPriority, PasswordCheck, PasswordHasher, Randomness},
    settings::{at_least_one, defaults, within},
};
use argon2::{Algorithm, Params, Version, password_hash::phc::PasswordHash};
use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{OsRandomness, hash_memory::HashMemory};
use crate::{InfraMetrics, SettingsError};

/// The least memory that is accepted, in KiB (OWASP's minimum for two passes).
const LEAST_MEMORY: u32 = 19_456;
const LEAST_PASSES: u32 = 2;
/// The longest text that is hashed, in bytes. What may be a password is decided elsewhere; this
/// only bounds the work.
const LONGEST: usize = 4_096;

/// Hashes at once where the settings do not say: with the memory of each, the process stays below 90 MB.
const MOST_AT_ONCE: usize = 3;

/// The section `passwords` of the configuration: how they are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashSettings {
    /// Memory in KiB.
    #[serde(deserialize_with = "within::<_, _, 19456, 4194304>")]
    pub memory_kib: u32,
    /// Passes over it.
    #[serde(deserialize_with = "within::<_, _, 2, 100>")]
    pub iterations: u32,
    /// Threads for which one hash is laid out (RFC 9106).
    #[serde(deserialize_with = "within::<_, _, 1, 16>")]
    pub parallelism: u32,
    /// Hashes computed at once; 0 means one for each processor, and three at most. Each holds its
    /// memory for good once it was used. Strangers use all but one of them.
    pub concurrent: usize,
    /// Calls of each priority that may wait for their turn, at least 1. Further ones are told to come
    /// again in a second.
    #[serde(deserialize_with = "at_least_one")]
    pub queue: usize,
}

impl Default for HashSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("passwords")
    }
}

/// The hasher. Permits go to the blocking pool with the work, so a caller that leaves does not make
/// room that is still in use.
pub struct Argon2Hasher {
    params: Params,
    memory: Arc<HashMemory>,
    /// One for each hash at once, given in the order of asking.
    slots: Arc<Semaphore>,
    /// What strangers need besides: one fewer, so that a slot is free of them. With a single slot, one
    /// stranger is ahead at most.
    strangers: Arc<Semaphore>,
    /// How many wait, known ones and strangers.
    waiting: [AtomicUsize; 2],
    most_waiting: usize,
    metrics: Arc<InfraMetrics>,
}

/// What is held while a hash is computed.
struct HashPermit {
    _slot: OwnedSemaphorePermit,
    _stranger: Option<OwnedSemaphorePermit>,
}

impl Argon2Hasher {
    /// A hasher with these settings.
    ///
    /// # Errors
    /// When they are below the floor or beyond what Argon2 takes.
    pub fn new(settings: HashSettings, metrics: Arc<InfraMetrics>) -> Result<Self, SettingsError> {
        let floors = [
            ("memory_kib", settings.memory_kib, LEAST_MEMORY),
            ("iterations", settings.iterations, LEAST_PASSES),
            ("parallelism", settings.parallelism, 1),
        ];
        for (key, value, least) in floors {
            if value < least {
                return Err(SettingsError::new(
                    key,
                    format!("{value} is below {least}, which stolen hashes would not resist"),
                    "raise it, or leave it out for the default",
                ));
            }
        }
        let at_once = match settings.concurrent {
            0 => available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE),
            given => given,
        };
        let params =
            Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None)
                .map_err(|e| {
                    SettingsError::new("memory_kib", e.to_string(), "see the limits of RFC 9106")
                })?;
        Ok(Self {
            memory: Arc::new(HashMemory::new(params.clone())),
            params,
            slots: Arc::new(Semaphore::new(at_once)),
            strangers: Arc::new(Semaphore::new(at_once.saturating_sub(1).max(1))),
            waiting: [AtomicUsize::new(0), AtomicUsize::new(0)],
            most_waiting: settings.queue,
            metrics,
        })
    }

    /// Waits for a turn, if not too many of this priority wait already. Strangers ask for a slot only
    /// once they have their own permit: the known find no more of them ahead than that.
    async fn permit(&self, priority: HashPriority) -> Result<HashPermit> {
        let [known, strangers] = &self.waiting;
        let (waiting, strangers_only) = match priority {
            HashPriority::Known => (known, None),
            HashPriority::Stranger => (strangers, Some(&self.strangers)),
        };
        let _position = QueuePosition::take(waiting, self.most_waiting, &self.metrics)?;
        let stranger = match strangers_only {
            Some(strangers_only) => {
                Some(Arc::clone(strangers_only).acquire_owned().await.map_err(Error::internal)?)
            }
            None => None,
        };
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        Ok(HashPermit { _slot: slot, _stranger: stranger })
    }

    async fn work<T: Send + 'static>(
        &self,
        priority: HashPriority,
        f: impl FnOnce(&HashMemory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.permit(priority).await?;
        let memory = Arc::clone(&self.memory);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            f(&memory)
        })
        .await
        .map_err(Error::internal)?
    }
}

/// A place in the queue, given back when it is left, for whatever reason.
struct QueuePosition<'a>(&'a AtomicUsize, &'a InfraMetrics);

impl<'a> QueuePosition<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize, metrics: &'a InfraMetrics) -> Result<Self> {
        let place = Self(waiting, metrics);
        metrics.hashes_waiting.inc();
        if waiting.fetch_add(1, Ordering::AcqRel) >= most {
            // `place` is dropped here and undoes both.
            return Err(Error::Unavailable {
                what: "password checking",
                retry_after: Duration::from_secs(1),
                source: None,
            });
        }
        Ok(place)
    }
}

impl Drop for QueuePosition<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        self.1.hashes_waiting.dec();
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &str, priority: HashPriority) -> Result<String> {
        if password.len() > LONGEST {
            return Err(Error::invalid("password", "must be at most 128 characters"));
        }
        let password = password.to_owned();
        self.work(priority, move |memory| {
            let mut salt = [0; 16];
            OsRandomness.fill(&mut salt);
            memory.hash(password.as_bytes(), &salt).map(|hash| hash.to_string())
        })
        .await
    }

    async fn check(
        &self,
        password: &str,
        hash: Option<&str>,
        priority: HashPriority,
    ) -> Result<PasswordCheck> {
        let params = self.params.clone();
        // Longer ones were never hashed, so comparing a part of one cannot make it right.
        let too_long = password.len() > LONGEST;
        let password = password.as_bytes()[..password.len().min(LONGEST)].to_vec();
        let hash = hash.map(str::to_owned);
        self.work(priority, move |memory| {
            let Some(hash) = hash else {
                memory.hash(&password, b"no such account!")?;
                return Ok(PasswordCheck::Wrong);
            };
            let hash = PasswordHash::new(&hash).map_err(Error::internal)?;
            Ok(match memory.verify(&password, &hash)? {
                true if too_long => PasswordCheck::Wrong,
                true if is_outdated(&hash, &params) => PasswordCheck::RightButOutdated,
                true => PasswordCheck::Right,
                false => PasswordCheck::Wrong,
            })
        })
        .await
    }
}

/// Whether a hash that another program made can be checked here, at a bearable cost: Argon2id of version 19, at most
/// 1 GiB, 16 passes and 16 lanes, with salt and output.
///
/// # Errors
/// Why not, and what to do.
pub fn check_foreign_hash(hash: &str) -> Result<(), &'static str> {
    const FORM: &str = "must be an argon2id hash in PHC form, $argon2id$v=19$m=65536,t=2,p=2$salt$hash; whoever has \
                        another one signs up anew";
    let parsed = PasswordHash::new(hash).map_err(|_| FORM)?;
    let is_argon2id = Algorithm::new(parsed.algorithm).is_ok_and(|it| it == Algorithm::Argon2id);
    let params = Params::try_from(&parsed).map_err(|_| FORM)?;
    if !is_argon2id || parsed.version != Some(19) || parsed.salt.is_none() || parsed.hash.is_none()
    {
        return Err(FORM);
    }
    if params.m_cost() > 1 << 20 || params.t_cost() > 16 || params.p_cost() > 16 {
        return Err("costs too much to check: at most m=1048576, t=16 and p=16");
    }
    Ok(())
}

/// Whether a hash was made with other settings than today's. Stronger ones are outdated as well: checking them takes
/// another time than checking nobody's password, which tells that there is such an account, and more memory than an
/// operator has planned for.
fn is_outdated(hash: &PasswordHash, today: &Params) -> bool {
    let Ok(then) = Params::try_from(hash) else {
        return true;
    };
    hash.algorithm != Algorithm::Argon2id.ident()
        || hash.version != Some(Version::V0x13.into())
        || then.m_cost() != today.m_cost()
        || then.t_cost() != today.t_cost()
        || then.p_cost() != today.p_cost()
}
