//! Statements that nobody waits for any more are cancelled, so that a reader who hung up does not go
//! on to occupy the database.
//!
//! libpq's own way (`PQcancel`) is not reachable through Diesel; `pg_cancel_backend`, sent over a
//! connection of its own, does the same for statements of one's own role. Diesel does not offer
//! `sqlite3_interrupt` either; there statements that may read much ask for each row whether anybody
//! still waits, by a function of ours.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use diesel::{RunQueryDsl as _, sql_types::Integer};
use tokio::runtime::Handle;

use crate::{
    AnyConnection,
    connection::{Interrupt, Target, open},
};

/// Most reads end by themselves within this span, and need no connection to cancel them.
const GRACE: Duration = Duration::from_millis(50);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is valid after every single assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A unit of work that reads, as seen by whoever waits for it and by the thread that does it.
#[derive(Default)]
pub(crate) struct Ticket(Mutex<State>);

#[derive(Default)]
struct State {
    is_abandoned: bool,
    was_cancelled: bool,
    /// What ends them, while statements may run.
    running: Option<Interrupt>,
}

impl Ticket {
    /// Says that statements are about to run that `interrupt` ends; `None`: nobody waits for them any
    /// more.
    pub(crate) fn begin(&self, interrupt: &Interrupt) -> Option<Running<'_>> {
        let mut state = lock(&self.0);
        if state.is_abandoned {
            return None;
        }
        state.running = Some(interrupt.clone());
        Some(Running(self))
    }

    /// Whether a cancellation was sent. It may still be on its way to the server's process, so the
    /// connection must not be used for anything else.
    pub(crate) fn was_cancelled(&self) -> bool {
        lock(&self.0).was_cancelled
    }

    /// Whether statements run that a server has to be asked to end.
    fn needs_cancelling(&self) -> bool {
        matches!(lock(&self.0).running, Some(Interrupt::Postgres(_)))
    }

    fn abandon(&self) {
        let mut state = lock(&self.0);
        state.is_abandoned = true;
        if let Some(Interrupt::Sqlite(is_abandoned)) = &state.running {
            is_abandoned.store(true, Ordering::Relaxed);
        }
    }

    /// Cancels what runs. The lock is held meanwhile, so the work cannot end and the process not be
    /// doing somebody else's work.
    fn cancel(&self, conn: &mut AnyConnection) -> diesel::QueryResult<()> {
        let mut state = lock(&self.0);
        let (Some(Interrupt::Postgres(backend)), AnyConnection::Postgres(conn)) =
            (&state.running, conn)
        else {
            return Ok(());
        };
        let backend = *backend;
        state.was_cancelled = true;
        diesel::sql_query("SELECT pg_cancel_backend($1)")
            .bind::<Integer, _>(backend)
            .execute(conn)?;
        Ok(())
    }
}

/// Ends the time in which statements may be cancelled, when it goes.
pub(crate) struct Running<'a>(&'a Ticket);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Under the lock: whoever abandons the work afterwards does not reach the next one's.
        if let Some(Interrupt::Sqlite(is_abandoned)) = lock(&self.0.0).running.take() {
            is_abandoned.store(false, Ordering::Relaxed);
        }
    }
}

/// Cancels abandoned statements, one batch at a time.
pub(crate) struct Canceller {
    target: Target,
    busy_timeout: Duration,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// At most one for each connection of the pool.
    abandoned: Vec<Arc<Ticket>>,
    has_worker: bool,
}

impl Canceller {
    pub(crate) fn new(target: Target, busy_timeout: Duration) -> Self {
        Self { target, busy_timeout, queue: Mutex::default() }
    }

    /// Abandons the work of `ticket` when what is returned goes before the work has ended.
    pub(crate) fn watch(self: &Arc<Self>, ticket: &Arc<Ticket>) -> Waiter {
        Waiter { canceller: Arc::clone(self), ticket: Arc::clone(ticket) }
    }

    fn add(self: &Arc<Self>, ticket: &Arc<Ticket>) {
        // Without a runtime the process is ending, and its connections with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut queue = lock(&self.queue);
        queue.abandoned.push(Arc::clone(ticket));
        if !queue.has_worker {
            queue.has_worker = true;
            let canceller = Arc::clone(self);
            runtime.spawn_blocking(move || canceller.work());
        }
    }

    /// Sends cancellations until nothing abandoned runs. Again and again, because one that arrives
    /// between two statements has no effect.
    fn work(&self) {
        let mut conn = None;
        loop {
            thread::sleep(GRACE);
            let tickets = {
                let mut queue = lock(&self.queue);
                queue.abandoned.retain(|ticket| ticket.needs_cancelling());
                if queue.abandoned.is_empty() {
                    queue.has_worker = false;
                    return;
                }
                queue.abandoned.clone()
            };
            if let Err(error) = self.cancel(&mut conn, &tickets) {
                // The statement timeout is the bound that needs no help.
                tracing::debug!(%error, "abandoned statements run on until their timeout");
                lock(&self.queue).abandoned.clear();
            }
        }
    }

    fn cancel(
        &self,
        conn: &mut Option<AnyConnection>,
        tickets: &[Arc<Ticket>],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let conn = match conn {
            Some(conn) => conn,
            None => conn.insert(open(&self.target, self.busy_timeout)?.conn),
        };
        for ticket in tickets {
            ticket.cancel(conn)?;
        }
        Ok(())
    }
}

/// Somebody who waits for a unit of work that reads.
pub(crate) struct Waiter {
    canceller: Arc<Canceller>,
    ticket: Arc<Ticket>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.ticket.abandon();
        if self.ticket.needs_cancelling() {
            self.canceller.add(&self.ticket);
        }
    }
}
