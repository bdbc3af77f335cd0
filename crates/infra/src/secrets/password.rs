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
    ports::secrets::{PasswordCheck, PasswordHasher, Randomness},
};
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{self, phc::PasswordHash},
};
use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::OsRandomness;
use crate::{InfraMetrics, SettingsError};

/// The least memory that is accepted, in KiB (OWASP's minimum for two passes).
const LEAST_MEMORY: u32 = 19_456;
const LEAST_PASSES: u32 = 2;
/// The longest text that is hashed, in bytes. What may be a password is decided elsewhere; this
/// only bounds the work.
const LONGEST: usize = 4_096;

/// How passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashSettings {
    /// Memory in KiB; at least and by default 19,456.
    pub memory_kib: u32,
    /// Passes over it; at least and by default 2.
    pub passes: u32,
    /// Lanes; at least and by default 1.
    pub lanes: u32,
    /// Hashes computed at once; by default one for each processor. Each holds its memory.
    pub at_once: usize,
    /// Calls that may wait for their turn; default 64. Further ones are told to come again in a
    /// second.
    pub waiting: usize,
}

impl Default for HashSettings {
    fn default() -> Self {
        Self {
            memory_kib: LEAST_MEMORY,
            passes: LEAST_PASSES,
            lanes: 1,
            at_once: available_parallelism().map_or(1, usize::from),
            waiting: 64,
        }
    }
}

/// The hasher. Clones of its inner state go to the blocking pool; the permit goes with them, so a
/// caller that leaves does not make room that is still in use.
pub struct Argon2Hasher {
    params: Params,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    metrics: Arc<InfraMetrics>,
}

impl Argon2Hasher {
    /// A hasher with these settings.
    ///
    /// # Errors
    /// When they are below the floor or beyond what Argon2 takes.
    pub fn new(settings: HashSettings, metrics: Arc<InfraMetrics>) -> Result<Self, SettingsError> {
        let floors = [
            ("memory_kib", settings.memory_kib, LEAST_MEMORY),
            ("passes", settings.passes, LEAST_PASSES),
            ("lanes", settings.lanes, 1),
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
        if settings.at_once == 0 {
            return Err(SettingsError::new("at_once", "0 would hash nothing", "give at least 1"));
        }
        let params = Params::new(settings.memory_kib, settings.passes, settings.lanes, None)
            .map_err(|e| {
                SettingsError::new("memory_kib", e.to_string(), "see the limits of RFC 9106")
            })?;
        Ok(Self {
            params,
            turns: Arc::new(Semaphore::new(settings.at_once)),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.waiting,
            metrics,
        })
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// Waits for a turn, if not too many wait already.
    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting, self.most_waiting, &self.metrics)?;
        Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)
    }

    async fn work<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.turn().await?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            f()
        })
        .await
        .map_err(Error::internal)?
    }
}

/// A place in the queue, given back when it is left, for whatever reason.
struct Place<'a>(&'a AtomicUsize, &'a InfraMetrics);

impl<'a> Place<'a> {
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

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        self.1.hashes_waiting.dec();
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &str) -> Result<String> {
        if password.len() > LONGEST {
            return Err(Error::invalid("password", "must be at most 128 characters"));
        }
        let (argon2, password) = (self.argon2(), password.to_owned());
        self.work(move || {
            let mut salt = [0; 16];
            OsRandomness.fill(&mut salt);
            argon2
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(Error::internal)
        })
        .await
    }

    async fn check(&self, password: &str, hash: Option<&str>) -> Result<PasswordCheck> {
        let (argon2, params) = (self.argon2(), self.params.clone());
        // Longer ones were never hashed, so comparing a part of one cannot make it right.
        let too_long = password.len() > LONGEST;
        let password = password.as_bytes()[..password.len().min(LONGEST)].to_vec();
        let hash = hash.map(str::to_owned);
        self.work(move || {
            let Some(hash) = hash else {
                let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
                argon2
                    .hash_password_into(&password, b"no such account!", &mut out)
                    .map_err(Error::internal)?;
                return Ok(PasswordCheck::Wrong);
            };
            let hash = PasswordHash::new(&hash).map_err(Error::internal)?;
            match argon2.verify_password(&password, &hash) {
                Ok(()) if too_long => Ok(PasswordCheck::Wrong),
                Ok(()) if is_outdated(&hash, &params) => Ok(PasswordCheck::RightButOutdated),
                Ok(()) => Ok(PasswordCheck::Right),
                Err(password_hash::Error::PasswordInvalid) => Ok(PasswordCheck::Wrong),
                Err(error) => Err(Error::internal(error)),
            }
        })
        .await
    }
}

/// Whether a hash was made with less than today's settings.
fn is_outdated(hash: &PasswordHash, today: &Params) -> bool {
    let Ok(then) = Params::try_from(hash) else {
        return true;
    };
    hash.algorithm != Algorithm::Argon2id.ident()
        || hash.version != Some(Version::V0x13.into())
        || then.m_cost() < today.m_cost()
        || then.t_cost() < today.t_cost()
        || then.p_cost() < today.p_cost()
}
