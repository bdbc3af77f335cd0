//! The only way to the database: one hop to the blocking pool for each unit of work.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use alpine_domain::{Error, Result, Timestamp, event::Event};
use prometheus::{HistogramVec, Registry};
use tokio::{sync::Semaphore, task, time::timeout_at};

use crate::{
    AnyConnection, DatabaseSettings, Failure,
    connection::Target,
    dialect,
    failure::{is_closed, is_transient},
    metrics,
    pool::{Pool, Slot},
};

/// A pool of connections and the rules by which they are used. Clones share the pool.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// One for each connection there may be: nobody occupies a thread while waiting for one.
    permits: Arc<Semaphore>,
    /// SQLite has one writer. Queueing here is fair and costs no thread; its own waiting polls.
    writer: Option<Arc<Semaphore>>,
    settings: DatabaseSettings,
    durations: HistogramVec,
}

/// A transaction that writes, and what it will have to tell the other instances.
pub struct Unit<'c> {
    /// The connection, inside the transaction.
    pub conn: &'c mut AnyConnection,
    events: Vec<(Timestamp, Event)>,
}

impl Unit<'_> {
    /// Adds an event to the log. It is numbered last, right before the commit.
    pub fn log(&mut self, at: Timestamp, event: Event) {
        self.events.push((at, event));
    }
}

/// Why an attempt at a unit of work failed.
enum Attempt {
    /// Nothing was sent: another connection may do.
    NotBegun(Failure),
    Failed(Failure),
}

impl Database {
    /// Makes the pool; opens no connection yet. Registers `db_query_duration_seconds`,
    /// `db_connections_active` and `db_connections_idle`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url` or `database.max`; [`Error::Internal`] when the
    /// registry has such metrics already.
    pub fn open(settings: DatabaseSettings, registry: &Registry) -> Result<Self> {
        if settings.max == 0 {
            return Err(Error::invalid("database.max", "must be 1 or more"));
        }
        let target = Target::parse(&settings)?;
        target.prepare()?;
        let is_sqlite = matches!(target, Target::Sqlite(_));
        let pool = Pool::new(target, &settings);
        let durations = metrics::register(registry, &pool)?;
        Ok(Self(Arc::new(Inner {
            pool,
            permits: Arc::new(Semaphore::new(settings.max as usize)),
            writer: is_sqlite.then(|| Arc::new(Semaphore::new(1))),
            settings,
            durations,
        })))
    }

    /// Runs `work` outside of any transaction: each statement sees what is committed when it
    /// starts. `operation` is the label of its metric, from a closed list of names.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection comes free in time, when the database is away, busy
    /// or read-only; whatever `work` returns; [`Error::Internal`] for the rest.
    pub async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.hop(operation, None, move |inner, deadline| inner.read(deadline, &work)).await
    }

    /// Runs `work` in one transaction that writes, then appends its events, then commits. It is run
    /// again after a deadlock, so it must have no effect outside of the database.
    ///
    /// # Errors
    /// As [`read`](Self::read). After `Unavailable` the outcome may be unknown: the connection can
    /// be lost while the commit is under way.
    pub async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Unit<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.hop(operation, self.0.writer.clone(), move |inner, deadline| {
            inner.write(deadline, &work)
        })
        .await
    }

    pub(crate) fn probe_timeout(&self) -> Duration {
        self.0.settings.probe_timeout
    }

    async fn hop<T: Send + 'static>(
        &self,
        operation: &'static str,
        writer: Option<Arc<Semaphore>>,
        work: impl FnOnce(&Inner, Instant) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let started = Instant::now();
        let settings = &self.0.settings;
        let turn = match writer {
            Some(writer) => Some(acquire(writer, started + settings.busy_timeout).await?),
            None => None,
        };
        // A writer's wait for its turn does not count against its wait for a connection.
        let deadline = Instant::now() + settings.checkout_timeout;
        let permit = acquire(Arc::clone(&self.0.permits), deadline).await?;
        let inner = Arc::clone(&self.0);
        let result = task::spawn_blocking(move || {
            let result = work(&inner, deadline);
            drop((permit, turn));
            result
        })
        .await;
        self.0.durations.with_label_values(&[operation]).observe(started.elapsed().as_secs_f64());
        match result {
            Ok(result) => result.map_err(Error::from),
            Err(panicked) => Err(Error::internal(panicked)),
        }
    }
}

async fn acquire(
    semaphore: Arc<Semaphore>,
    deadline: Instant,
) -> Result<tokio::sync::OwnedSemaphorePermit> {
    match timeout_at(deadline.into(), semaphore.acquire_owned()).await {
        Ok(permit) => permit.map_err(Error::internal),
        Err(late) => Err(Error::unavailable("the database", late)),
    }
}

impl Inner {
    fn read<T>(
        &self,
        deadline: Instant,
        work: &impl Fn(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut slot = self.checkout(deadline)?;
        let result = work(&mut slot.conn);
        let result = self.inspect(&mut slot, result);
        if !slot.is_condemned() {
            return result;
        }
        drop(slot);
        // A read may be repeated; once, on a connection opened after the loss. The wait is renewed,
        // because noticing the loss may have taken all of the first.
        let mut slot =
            self.checkout(deadline.max(Instant::now() + self.settings.checkout_timeout))?;
        let result = work(&mut slot.conn);
        self.inspect(&mut slot, result)
    }

    fn write<T>(
        &self,
        deadline: Instant,
        work: &impl Fn(&mut Unit<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut retries = 0;
        let mut has_begun_anew = false;
        loop {
            let renewed = Instant::now() + self.settings.checkout_timeout;
            let mut slot =
                self.checkout(if retries == 0 && !has_begun_anew { deadline } else { renewed })?;
            let failure = match attempt(&mut slot.conn, work) {
                Ok(value) => return Ok(value),
                Err(Attempt::NotBegun(failure)) => {
                    let result = self.inspect(&mut slot, Err(failure));
                    if slot.is_condemned() && !has_begun_anew {
                        has_begun_anew = true;
                        continue;
                    }
                    return result;
                }
                Err(Attempt::Failed(failure)) => failure,
            };
            let is_transient = failure.database().is_some_and(is_transient);
            let result = self.inspect(&mut slot, Err(failure));
            drop(slot);
            if !is_transient || retries >= self.settings.write_retries {
                return result;
            }
            retries += 1;
            thread::sleep(Duration::from_millis(5 << retries.min(5)));
        }
    }

    fn checkout(&self, deadline: Instant) -> Result<r2d2::PooledConnection<crate::pool::Manager>> {
        self.pool.checkout(deadline).map_err(|error| Error::unavailable("the database", error))
    }

    /// Condemns the connection, and all that are older, if the result proves that it is dead.
    fn inspect<T>(&self, slot: &mut Slot, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result
            && failure.database().is_some_and(is_closed)
        {
            slot.condemn();
            self.pool.note_loss();
        }
        result
    }
}

fn attempt<T>(
    conn: &mut AnyConnection,
    work: &impl Fn(&mut Unit<'_>) -> Result<T, Failure>,
) -> Result<T, Attempt> {
    conn.begin_write().map_err(|error| Attempt::NotBegun(error.into()))?;
    let mut unit = Unit { conn, events: Vec::new() };
    let result = work(&mut unit).and_then(|value| {
        dialect::append_events(unit.conn, &unit.events)?;
        Ok(value)
    });
    let result = match result {
        Ok(value) => conn.commit().map(|()| value).map_err(Failure::from),
        Err(failure) => {
            // What matters is why the work failed; a connection that cannot roll back is retired
            // by the pool, because it is still inside a transaction.
            if let Err(error) = conn.roll_back() {
                tracing::debug!(%error, "rollback failed");
            }
            Err(failure)
        }
    };
    result.map_err(Attempt::Failed)
}
