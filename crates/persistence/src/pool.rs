//! The pool: lazily filled, without a round trip on checkout, and without stale connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::r2d2::R2D2Connection as _;

use crate::{
    AnyConnection, DatabaseSettings,
    connection::{Interrupt, Opened, Target, open},
};

/// How long the pool must have been calm before connections above `keep` are closed.
const CALM: Duration = Duration::from_secs(10);

/// How often it is tried whether a host takes writes, while none does.
const WRITABLE_CHECK: Duration = Duration::from_secs(1);

/// r2d2 refuses a span of nothing.
const BRIEF: Duration = Duration::from_millis(1);

/// Why a connection was not opened, or not handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("no connection: {0}")]
    Connect(#[from] diesel::ConnectionError),
    #[error("the connection did not answer: {0}")]
    Ping(#[from] diesel::result::Error),
    #[error("the connection was opened before the database was lost")]
    Suspect,
    #[error("the connection takes no writes, and it is time to look for one that does")]
    ReadOnly,
}

/// What all connections of a pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    start: Instant,
    /// Microseconds from `start` to the last time that a connection proved dead; 0 for never.
    lost_at: AtomicU64,
    /// Microseconds from `start` to the last time that more than `keep` connections were in use.
    peak_at: AtomicU64,
    /// Microseconds from `start` to the last time that a host was found that takes writes.
    writable_at: AtomicU64,
    /// Microseconds from `start` to the last time that such a host was looked for in vain.
    unwritable_at: AtomicU64,
    /// Whether the last write was refused because the database takes none.
    is_write_refused: AtomicBool,
    /// Microseconds from `start` to the last write that found no room on the disk; 0 for none.
    no_room_at: AtomicU64,
    open: AtomicU32,
    busy: AtomicU32,
}

impl Shared {
    fn micros(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }

    /// Notes that a connection proved dead: none that was used before is handed out any more.
    pub(crate) fn note_loss(&self) {
        let now = self.micros(Instant::now());
        self.lost_at.fetch_max(now, Ordering::SeqCst);
    }

    /// Notes whether the host of a new connection takes writes.
    fn note_opened(&self, is_read_only: bool) {
        let now = self.micros(Instant::now());
        let instant = if is_read_only { &self.unwritable_at } else { &self.writable_at };
        instant.fetch_max(now, Ordering::SeqCst);
    }

    /// Whether a connection that takes no writes must go: since one was found that does, or because
    /// it is time to look again. One caller a second is told to.
    fn must_look_again(&self, opened: Instant) -> bool {
        if self.micros(opened) <= self.writable_at.load(Ordering::SeqCst) {
            return true;
        }
        let now = self.micros(Instant::now());
        let last = self.unwritable_at.load(Ordering::SeqCst);
        let is_due = Duration::from_micros(now.saturating_sub(last)) >= WRITABLE_CHECK;
        let claim = || {
            let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
            self.unwritable_at.compare_exchange(last, now, success, failure).is_ok()
        };
        is_due && claim()
    }
}

/// One connection of the pool.
pub(crate) struct Slot {
    pub(crate) conn: AnyConnection,
    /// The host takes no writes.
    pub(crate) is_read_only: bool,
    /// How its statements are ended.
    pub(crate) interrupt: Interrupt,
    opened: Instant,
    last_used: Instant,
    is_dead: bool,
    shared: Arc<Shared>,
}

impl Slot {
    /// Says that the connection must not be used again.
    pub(crate) fn condemn(&mut self) {
        self.is_dead = true;
    }

    pub(crate) const fn is_condemned(&self) -> bool {
        self.is_dead
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens, checks and retires connections.
pub(crate) struct Manager {
    target: Target,
    keep: u32,
    check_after_idle: Duration,
    busy_timeout: Duration,
    shared: Arc<Shared>,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Slot;
    type Error = PoolError;

    fn connect(&self) -> Result<Slot, PoolError> {
        let Opened { conn, is_read_only, interrupt } = open(&self.target, self.busy_timeout)?;
        self.shared.note_opened(is_read_only);
        self.shared.open.fetch_add(1, Ordering::SeqCst);
        let now = Instant::now();
        Ok(Slot {
            conn,
            is_read_only,
            interrupt,
            opened: now,
            last_used: now,
            is_dead: false,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Called on each checkout, so it must be free for a connection in steady use. One that dates
    /// from before a loss is closed unasked: against a server that vanished even asking takes seconds.
    fn is_valid(&self, slot: &mut Slot) -> Result<(), PoolError> {
        if self.shared.micros(slot.last_used) <= self.shared.lost_at.load(Ordering::SeqCst) {
            return Err(PoolError::Suspect);
        }
        if slot.is_read_only && self.shared.must_look_again(slot.opened) {
            return Err(PoolError::ReadOnly);
        }
        if slot.last_used.elapsed() > self.check_after_idle {
            slot.conn.ping().inspect_err(|_| self.shared.note_loss())?;
        }
        Ok(())
    }

    /// Called on each return. Retires what is dead, what was left inside a transaction, and, after a
    /// calm, what exceeds the number to keep.
    fn has_broken(&self, slot: &mut Slot) -> bool {
        let now = Instant::now();
        slot.last_used = now;
        let busy = self.shared.busy.fetch_sub(1, Ordering::SeqCst);
        if busy > self.keep {
            let peak = self.shared.micros(now);
            self.shared.peak_at.fetch_max(peak, Ordering::SeqCst);
        }
        let peak_at = Duration::from_micros(self.shared.peak_at.load(Ordering::SeqCst));
        let is_calm = now.saturating_duration_since(self.shared.start) > peak_at + CALM;
        let is_surplus = is_calm && self.shared.open.load(Ordering::SeqCst) > self.keep;
        thread::panicking() || slot.is_dead || is_surplus || slot.conn.is_broken()
    }
}

/// Reports what r2d2 would otherwise only mention to nobody.
#[derive(Debug)]
struct Report;

impl r2d2::HandleError<PoolError> for Report {
    fn handle_error(&self, error: PoolError) {
        if matches!(error, PoolError::Suspect | PoolError::ReadOnly) {
            tracing::debug!(%error, "connection discarded");
        } else {
            tracing::warn!(%error, "database connection");
        }
    }
}

/// The pool and what its connections share.
#[derive(Clone)]
pub(crate) struct Pool {
    inner: r2d2::Pool<Manager>,
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool without any connection yet: the first use opens the first one.
    pub(crate) fn new(target: Target, settings: &DatabaseSettings) -> Self {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            lost_at: AtomicU64::new(0),
            peak_at: AtomicU64::new(0),
            writable_at: AtomicU64::new(0),
            unwritable_at: AtomicU64::new(0),
            is_write_refused: AtomicBool::new(false),
            no_room_at: AtomicU64::new(0),
            open: AtomicU32::new(0),
            busy: AtomicU32::new(0),
        });
        let manager = Manager {
            target,
            keep: settings.pool_kept,
            check_after_idle: settings.check_after_idle,
            busy_timeout: settings.busy_timeout,
            shared: Arc::clone(&shared),
        };
        let inner = r2d2::Pool::builder()
            .max_size(settings.pool_max.max(1))
            .min_idle(Some(0))
            .idle_timeout(None)
            .max_lifetime(Some(settings.max_lifetime.max(BRIEF)))
            // Also the longest pause between two attempts to open a connection.
            .connection_timeout(settings.checkout_timeout.max(BRIEF))
            .test_on_check_out(true)
            .error_handler(Box::new(Report))
            .build_unchecked(manager);
        Self { inner, shared }
    }

    /// A connection that is believed to work, waited for until `deadline`.
    pub(crate) fn checkout(
        &self,
        deadline: Instant,
    ) -> Result<r2d2::PooledConnection<Manager>, r2d2::Error> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let slot = self.inner.get_timeout(wait.max(BRIEF))?;
        self.shared.busy.fetch_add(1, Ordering::SeqCst);
        Ok(slot)
    }

    pub(crate) fn note_loss(&self) {
        self.shared.note_loss();
    }

    /// Notes that a write was refused because the database takes none.
    pub(crate) fn note_refused_write(&self) {
        self.shared.is_write_refused.store(true, Ordering::Relaxed);
    }

    /// Notes that a write was committed.
    pub(crate) fn note_write(&self) {
        self.shared.is_write_refused.store(false, Ordering::Relaxed);
    }

    /// Notes that a write found no room on the disk.
    pub(crate) fn note_no_room(&self) {
        let now = self.shared.micros(Instant::now());
        self.shared.no_room_at.store(now, Ordering::Relaxed);
    }

    /// Whether a write found no room within `span`. Smaller ones that were committed since prove nothing.
    pub(crate) fn had_no_room_within(&self, span: Duration) -> bool {
        let at = self.shared.no_room_at.load(Ordering::Relaxed);
        let since = self.shared.micros(Instant::now()).saturating_sub(at);
        at > 0 && Duration::from_micros(since) < span
    }

    /// Whether the last write was refused because the database takes none.
    pub(crate) fn is_write_refused(&self) -> bool {
        self.shared.is_write_refused.load(Ordering::Relaxed)
    }

    /// Connections in use, and idle.
    pub(crate) fn usage(&self) -> (u32, u32) {
        let state = self.inner.state();
        let active = state.connections - state.idle_connections;
        (active, state.idle_connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closing what is too old is r2d2's part; it looks every 30 seconds.
    #[test]
    fn a_connection_is_replaced_when_it_is_old() {
        let settings = DatabaseSettings {
            max_lifetime: Duration::from_secs(7),
            ..DatabaseSettings::new("sqlite:unused.db")
        };
        let Ok(target) = Target::parse(&settings) else { panic!("a SQLite file") };
        let pool = Pool::new(target, &settings);
        assert_eq!(pool.inner.max_lifetime(), Some(Duration::from_secs(7)));
    }
}
