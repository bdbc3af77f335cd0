//! The only way to the database: one hop to the blocking pool for each unit of work.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
    thread,
    time::{Duration, Instant},
};

use alpine_domain::{
    Error, Result, Timestamp,
    analytics::{Counted, RollupKey},
    audit::{AuditLine, Entry, Origin},
    event::{CommitHandler, CommittedEvent, Event},
    jobs::{JobId, NewJob},
    notification::NewNotification,
};
use diesel::{QueryDsl as _, RunQueryDsl as _, dsl::max};
use prometheus::{HistogramVec, Registry};
use tokio::task;

use crate::{
    AnyConnection, DatabaseSettings, Failure,
    audit::rows as audit_rows,
    cancel::{Canceller, Ticket},
    connection::Target,
    dialect,
    failure::{has_no_room, is_closed, is_read_only, is_transient, refuses_writes},
    metrics,
    migrations::lacking_tables,
    notifications::rows as notification_rows,
    permits::{Class, Permits},
    pool::{Manager, Pool, Slot},
    rollups::rows as rollup_rows,
    schema::events,
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

/// Connections to a SQLite file at most, whatever the settings say. A file has one writer, and its readers
/// compute in this process: more of them than processors only cost memory (2 MB of pages each).
const SQLITE_CONNECTIONS: u32 = 8;

/// How long a write that found no room counts.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);

/// A pool of connections and the rules by which they are used. Clones share the pool.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool,
    target: Target,
    permits: Permits,
    canceller: Arc<Canceller>,
    signal_ids: OnceLock<Arc<SignalIds>>,
    has_clock: bool,
    settings: DatabaseSettings,
    durations: HistogramVec,
    on_commit: OnceLock<Weak<dyn CommitHandler>>,
    unreadable: Arc<UnreadableRows>,
}

/// A transaction that writes, and what it will have to tell.
pub struct Unit<'c> {
    /// The connection, inside the transaction.
    pub conn: &'c mut AnyConnection,
    events: Vec<(Timestamp, Event)>,
    confirmed: Vec<Event>,
    origin: &'c Origin,
    audit: Vec<AuditLine>,
    counted: BTreeMap<RollupKey, i64>,
    has_jobs: bool,
}

/// What a committed transaction has to tell.
struct Told {
    events: Vec<CommittedEvent>,
    has_jobs: bool,
}

impl Unit<'_> {
    /// Adds an event to the log. It is numbered last, right before the commit.
    pub fn log(&mut self, at: Timestamp, event: Event) {
        self.events.push((at, event));
    }

    /// Notes a change that was found committed, and logged, before: a repeated request is answered as
    /// if it had made the change, and this instance may not have applied it yet. It is applied here
    /// with the others of this transaction, and adds nothing to the log.
    pub fn confirm(&mut self, event: Event) {
        self.confirmed.push(event);
    }

    /// Adds a line to the audit log, on behalf of whoever [asked](Origin::current) for this transaction. It is
    /// written right before the events.
    pub fn audit(&mut self, entry: Entry) {
        self.audit.push(entry.line(self.origin));
    }

    /// Tells a user of something, if this transaction is committed.
    ///
    /// # Errors
    /// What the database says.
    pub fn notify(&mut self, new: &NewNotification) -> Result<(), Failure> {
        notification_rows::insert(self.conn, new)
    }

    /// Adds to sums, each as [`count`](Self::count) does.
    pub(crate) fn count_all(&mut self, counted: Vec<Counted>) {
        for (key, value) in counted {
            self.count(key, value);
        }
    }

    /// Adds `value` to a sum. It is written right before the lines of the audit log.
    pub fn count(&mut self, key: RollupKey, value: i64) {
        *self.counted.entry(key).or_insert(0) += value;
    }

    /// Adds something that has to be done once this transaction is committed; `None` if a job with its key
    /// is pending.
    ///
    /// # Errors
    /// What the database says.
    pub fn enqueue(&mut self, job: &NewJob) -> Result<Option<JobId>, Failure> {
        let added = dialect::insert_new_job(self.conn, job)?;
        self.has_jobs |= added.is_some();
        Ok(added)
    }
}

/// Why an attempt at a unit of work failed.
enum Attempt {
    /// Nothing was sent: another connection may do.
    NotBegun(Failure),
    /// The server takes no writes: another one may.
    ReadOnly(Failure),
    Failed(Failure),
}

impl Database {
    /// Makes the pool; opens no connection yet. Registers `db_query_duration_seconds`,
    /// `db_connections_active`, `db_connections_idle` and `db_unreadable_rows_total`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url` or `database.pool_max`; [`Error::Internal`] when the
    /// registry has such metrics already.
    pub fn open(mut settings: DatabaseSettings, registry: &Registry) -> Result<Self> {
        if settings.pool_max == 0 {
            return Err(Error::invalid("database.pool_max", "must be 1 or more"));
        }
        let target = Target::parse(&settings)?;
        target.prepare()?;
        let is_sqlite = matches!(target, Target::Sqlite(_));
        if is_sqlite {
            settings.pool_max = settings.pool_max.min(SQLITE_CONNECTIONS);
        }
        let canceller = Arc::new(Canceller::new(target.clone(), settings.busy_timeout));
        let pool = Pool::new(target.clone(), &settings);
        let durations = metrics::register(registry, &pool)?;
        let unreadable = Arc::new(UnreadableRows::register(registry)?);
        Ok(Self(Arc::new(Inner {
            pool,
            target,
            permits: Permits::new(&settings, is_sqlite),
            canceller,
            signal_ids: OnceLock::new(),
            has_clock: !is_sqlite,
            settings,
            durations,
            on_commit: OnceLock::new(),
            unreadable,
        })))
    }

    /// From now on `handler` is told of the events of each transaction, see [`CommitHandler`]. The
    /// first handler stays; a database without one tells nobody. Not kept alive by this database,
    /// because what it consists of holds this database.
    pub fn tell(&self, handler: Weak<dyn CommitHandler>) {
        // Wired once; a second handler would be told twice of everything.
        let _is_first = self.0.on_commit.set(handler).is_ok();
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
        self.read_as(Class::Read, operation, work).await
    }

    /// As [`read`](Self::read), for work whose cost grows with what is stored. Few of these run at a
    /// time, whatever is asked for, and the others wait for their turn without a connection.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_costly<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T, Failure> + Send + 'static,
    {
        self.read_as(Class::CostlyRead, operation, work).await
    }

    /// As [`read`](Self::read), in the class that the caller knows.
    pub(crate) async fn read_as<T, F>(
        &self,
        class: Class,
        operation: &'static str,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T, Failure> + Send + 'static,
    {
        let ticket = Arc::new(Ticket::default());
        // Dropped with this future: statements of a caller who has gone are cancelled.
        let _waiter = self.0.canceller.watch(&ticket);
        self.hop(
            class,
            operation,
            move |inner, deadline| inner.read(deadline, &ticket, &work),
            |_, value| value,
        )
        .await
    }

    /// Runs `work` in one transaction that writes, then appends its events, then commits, then tells
    /// the [`CommitHandler`]. `work` is run again after a deadlock, so it must have no effect outside of
    /// the database. All of it runs to its end even if its caller goes away meanwhile.
    ///
    /// # Errors
    /// As [`read`](Self::read). After `Unavailable` the outcome may be unknown: the connection can
    /// be lost while the commit is under way.
    pub async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Unit<'_>) -> Result<T, Failure> + Send + 'static,
    {
        // Here, since the pool's threads belong to nobody's request.
        let origin = Origin::current();
        self.hop(
            Class::Write,
            operation,
            move |inner, deadline| inner.write(deadline, &origin, &work),
            |inner, (value, told)| {
                inner.announce(&told);
                value
            },
        )
        .await
    }

    /// Whether the database answers, and then whether it takes writes.
    pub(crate) async fn accepts_writes(&self) -> Result<bool> {
        self.hop(Class::Read, "probe", Inner::accepts_writes, |_, value| value).await
    }

    /// Whether a write found no room on the database's disk a moment ago, or the next one may find none.
    pub(crate) async fn has_no_room(&self) -> bool {
        if self.0.pool.had_no_room_within(ROOM_PATIENCE) {
            return true;
        }
        // A disk of the network may take its time.
        let inner = Arc::clone(&self.0);
        task::spawn_blocking(move || inner.target.is_nearly_full()).await.unwrap_or(false)
    }

    /// The names of tables' migrations that this version needs and the database lacks.
    pub(crate) async fn lacking_tables(&self) -> Result<Vec<String>> {
        self.read("probe", |conn| Ok(lacking_tables(conn)?)).await
    }

    /// Whether the database has a clock that is not this machine's.
    pub(crate) fn has_clock(&self) -> bool {
        self.0.has_clock
    }

    /// Where rows go that cannot be read.
    pub(crate) fn unreadable(&self) -> Arc<UnreadableRows> {
        Arc::clone(&self.0.unreadable)
    }

    /// How rows of signals and their public numbers belong together; read once.
    pub(crate) fn signal_ids(&self, conn: &mut AnyConnection) -> Result<Arc<SignalIds>, Failure> {
        if let Some(ids) = self.0.signal_ids.get() {
            return Ok(Arc::clone(ids));
        }
        let loaded = Arc::new(SignalIds::load(conn)?);
        Ok(Arc::clone(self.0.signal_ids.get_or_init(|| loaded)))
    }

    /// Runs `work` on the blocking pool, then `finish` once the connection is free for others.
    async fn hop<T, U: Send + 'static>(
        &self,
        class: Class,
        operation: &'static str,
        work: impl FnOnce(&Inner, Instant) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(&Inner, T) -> U + Send + 'static,
    ) -> Result<U> {
        let started = Instant::now();
        let permit = self.0.permits.acquire(class, &self.0.settings).await?;
        let inner = Arc::clone(&self.0);
        let result = task::spawn_blocking(move || {
            let result = work(&inner, permit.deadline);
            drop(permit);
            result.map(|value| finish(&inner, value))
        })
        .await;
        self.0.durations.with_label_values(&[operation]).observe(started.elapsed().as_secs_f64());
        match result {
            Ok(result) => result.map_err(Error::from),
            Err(panicked) => Err(Error::internal(panicked)),
        }
    }
}

impl Inner {
    fn read<T>(
        &self,
        deadline: Instant,
        ticket: &Ticket,
        work: &impl Fn(&mut AnyConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.read_twice(deadline, |slot| {
            let Some(running) = ticket.begin(&slot.interrupt) else {
                return Err(Error::unavailable("the database", "nobody waits for this").into());
            };
            let result = work(&mut slot.conn);
            drop(running);
            if ticket.was_cancelled() {
                slot.condemn();
            }
            result
        })
    }

    /// Reads once, and once more if that showed that the connection is of no use.
    fn read_twice<T>(
        &self,
        deadline: Instant,
        work: impl Fn(&mut Slot) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut slot = self.checkout(deadline)?;
        let result = work(&mut slot);
        let result = self.inspect(&mut slot, result);
        if !slot.is_condemned() {
            return result;
        }
        drop(slot);
        // The wait is renewed, because noticing the loss may have taken all of the first.
        let mut slot =
            self.checkout(deadline.max(Instant::now() + self.settings.checkout_timeout))?;
        let result = work(&mut slot);
        self.inspect(&mut slot, result)
    }

    fn accepts_writes(&self, deadline: Instant) -> Result<bool, Failure> {
        self.read_twice(deadline, |slot| {
            let accepts = slot.conn.accepts_writes(self.pool.is_write_refused())?;
            if !accepts && !slot.is_read_only {
                // It was opened when the server still took writes: another one may do so now.
                return Err(refuses_writes());
            }
            if accepts {
                self.pool.note_write();
            }
            Ok(accepts)
        })
        .or_else(|failure| match failure.database() {
            Some(error) if is_read_only(error) => Ok(false),
            _ => Err(failure),
        })
    }

    fn write<T>(
        &self,
        deadline: Instant,
        origin: &Origin,
        work: &impl Fn(&mut Unit<'_>) -> Result<T, Failure>,
    ) -> Result<(T, Told), Failure> {
        let mut retries = 0;
        let mut has_begun_anew = false;
        loop {
            let renewed = Instant::now() + self.settings.checkout_timeout;
            let mut slot =
                self.checkout(if retries == 0 && !has_begun_anew { deadline } else { renewed })?;
            if slot.is_read_only {
                return Err(refuses_writes());
            }
            let failure = match attempt(&mut slot.conn, origin, work) {
                Ok(value) => {
                    self.pool.note_write();
                    return Ok(value);
                }
                // A server that takes no writes has done nothing, whenever it says so.
                Err(Attempt::NotBegun(failure) | Attempt::ReadOnly(failure)) => {
                    let result = self.inspect_write(&mut slot, Err(failure));
                    if slot.is_condemned() && !has_begun_anew {
                        has_begun_anew = true;
                        continue;
                    }
                    return result;
                }
                Err(Attempt::Failed(failure)) => failure,
            };
            let is_transient = failure.database().is_some_and(is_transient);
            let result = self.inspect_write(&mut slot, Err(failure));
            drop(slot);
            if !is_transient || retries >= self.settings.write_retries {
                return result;
            }
            retries += 1;
            thread::sleep(Duration::from_millis(5 << retries.min(5)));
        }
    }

    fn announce(&self, told: &Told) {
        let Some(handler) = self.on_commit.get().and_then(Weak::upgrade) else { return };
        if !told.events.is_empty() {
            handler.committed(&told.events);
        }
        if told.has_jobs {
            handler.jobs_added();
        }
    }

    fn checkout(&self, deadline: Instant) -> Result<r2d2::PooledConnection<Manager>> {
        self.pool.checkout(deadline).map_err(|error| Error::unavailable("the database", error))
    }

    /// Notes that there was no room as well. What a read says of the disk proves nothing of that.
    fn inspect_write<T>(&self, slot: &mut Slot, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result
            && failure.database().is_some_and(has_no_room)
        {
            self.pool.note_no_room();
        }
        self.inspect(slot, result)
    }

    /// Condemns the connection, and all that are older, if the result proves that it is dead, or that
    /// it leads to a server that takes no writes any more.
    fn inspect<T>(&self, slot: &mut Slot, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &result
            && let Some(error) = failure.database()
        {
            let is_refused = is_read_only(error);
            if is_refused {
                self.pool.note_refused_write();
            }
            if is_closed(error) || is_refused {
                slot.condemn();
                self.pool.note_loss();
            }
        }
        result
    }
}

fn attempt<T>(
    conn: &mut AnyConnection,
    origin: &Origin,
    work: &impl Fn(&mut Unit<'_>) -> Result<T, Failure>,
) -> Result<(T, Told), Attempt> {
    conn.begin_write().map_err(|error| Attempt::NotBegun(error.into()))?;
    let (events, confirmed, audit) = (Vec::new(), Vec::new(), Vec::new());
    let counted = BTreeMap::new();
    let mut unit = Unit { conn, events, confirmed, origin, audit, counted, has_jobs: false };
    let result = work(&mut unit).and_then(|value| Ok((value, append(unit)?)));
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
    result.map_err(|failure| match failure.database() {
        Some(error) if is_read_only(error) => Attempt::ReadOnly(failure),
        _ => Attempt::Failed(failure),
    })
}

/// Adds to sums, and appends the lines and the events of a transaction; says those and the confirmed ones with their numbers.
fn append(unit: Unit<'_>) -> Result<Told, Failure> {
    let Unit { conn, events: logged, confirmed, audit, counted, has_jobs, .. } = unit;
    rollup_rows::add(conn, &counted)?;
    audit_rows::append(conn, &audit)?;
    let numbers = dialect::append_events(conn, &logged)?;
    let events = logged.into_iter().map(|(_, event)| event);
    let mut committed: Vec<_> =
        numbers.into_iter().zip(events).map(|(seq, event)| CommittedEvent { seq, event }).collect();
    if !confirmed.is_empty() {
        // What was found committed has a number up to the newest one. That one is found at the same
        // cost however long the log is.
        let newest: Option<i64> = events::table.select(max(events::seq)).first(conn)?;
        let seq = newest.unwrap_or(0);
        committed.extend(confirmed.into_iter().map(|event| CommittedEvent { seq, event }));
    }
    Ok(Told { events: committed, has_jobs })
}
