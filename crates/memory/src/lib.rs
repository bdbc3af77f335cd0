//! Every store of the domain over plain vectors, for tests: what a store promises, in the fewest words.
//!
//! Nothing is indexed, and every transaction works on a copy of everything, so that a test should keep
//! thousands of rows at most. The contract suite of `alpine-persistence` holds it to what the databases do.
//!
//! ```
//! use alpine_domain::Timestamp;
//! use alpine_memory::Memory;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let stores = Memory::new().stores();
//! let (name, now) = ("argo".parse()?, Timestamp::from_seconds(1_767_225_600));
//! let argo = stores.producers.create(&name, "the digest of a key", false, now).await?;
//! let found = stores.producers.by_key_hash("the digest of a key").await?;
//! assert_eq!(found, Some(argo));
//! // The change stands in the log, as in a database.
//! assert_eq!(stores.events.head().await?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod address_changes;
mod administration;
mod api_keys;
mod audit;
mod billing;
mod channels;
mod deletion;
mod digests;
mod events;
mod idempotency;
mod import;
mod jobs;
mod notifications;
mod producers;
mod reading;
mod retention;
mod rollups;
mod second_factors;
mod sign_ups;
mod signals;
mod statistics;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use alpine_domain::{
    Result, Timestamp,
    account::UserId,
    audit::{Entry, Origin},
    event::{CommitHandler, CommittedEvent, Event},
    use_cases::Stores,
};

use self::tables::Tables;

/// One database in memory. Clones share it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tables: Mutex<Tables>,
    on_commit: OnceLock<Weak<dyn CommitHandler>>,
}

impl Memory {
    /// An empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every store over this database.
    pub fn stores(&self) -> Stores {
        let store = Arc::new(self.clone());
        Stores {
            accounts: store.clone(),
            administration: store.clone(),
            sign_ups: store.clone(),
            address_changes: store.clone(),
            imports: store.clone(),
            deletions: store.clone(),
            api_keys: store.clone(),
            second_factors: store.clone(),
            notifications: store.clone(),
            digests: store.clone(),
            producers: store.clone(),
            signals: store.clone(),
            signal_reader: store.clone(),
            statistics: store.clone(),
            sums: store.clone(),
            events: store.clone(),
            retention: store.clone(),
            jobs: store.clone(),
            billing: store.clone(),
            audit: store.clone(),
            rollups: store.clone(),
            idempotency: store.clone(),
            channels: store,
        }
    }

    /// From now on `handler` is told of each transaction's events. The first handler stays.
    pub fn tell(&self, handler: Weak<dyn CommitHandler>) {
        let _is_first = self.0.on_commit.set(handler).is_ok();
    }

    /// Enables or disables an account, as an operator does in the database: no store does, and no event
    /// tells of it. Does nothing without such an account.
    pub fn set_active(&self, user: UserId, is_active: bool) {
        if let Some(user) = self.read().users.iter_mut().find(|row| row.account.id == user) {
            user.account.is_active = is_active;
        }
    }

    /// Says, in the same way, whether the account's address was confirmed.
    pub fn set_verified(&self, user: UserId, is_verified: bool) {
        if let Some(user) = self.read().users.iter_mut().find(|row| row.account.id == user) {
            user.account.is_verified = is_verified;
        }
    }

    fn read(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one transaction: what `work` changed is kept, with its events in the log, or nothing is. Then
    /// the handler is told.
    fn write<T>(&self, work: impl FnOnce(&mut Unit) -> Result<T>) -> Result<T> {
        let mut tables = self.read();
        let mut unit = Unit { tables: tables.clone(), told: Vec::new(), has_jobs: false };
        let answer = work(&mut unit)?;
        *tables = unit.tables;
        drop(tables);
        if let Some(handler) = self.0.on_commit.get().and_then(Weak::upgrade) {
            if !unit.told.is_empty() {
                handler.committed(&unit.told);
            }
            if unit.has_jobs {
                handler.jobs_added();
            }
        }
        Ok(answer)
    }
}

/// A transaction under way.
struct Unit {
    tables: Tables,
    told: Vec<CommittedEvent>,
    has_jobs: bool,
}

impl Unit {
    /// Adds an event to the log.
    fn log(&mut self, at: Timestamp, event: Event) -> Result<()> {
        let seq = self.tables.log(at, &event)?;
        self.told.push(CommittedEvent { seq, event });
        Ok(())
    }

    /// Adds a line to the audit log, on behalf of whoever asks.
    fn audit(&mut self, entry: Entry) {
        self.tables.add_line(entry.line(&Origin::current()));
    }

    /// A repeated request found the change made, and logged, before: it is told here once more.
    fn confirm(&mut self, event: Event) {
        self.told.push(CommittedEvent { seq: self.tables.head(), event });
    }
}
