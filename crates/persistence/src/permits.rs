//! Who may use the pool's connections: nobody occupies a thread while waiting for one, and costly
//! reads never take those that cheap requests need.

use std::{sync::Arc, time::Instant};

use alpine_domain::{Error, Result};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use crate::DatabaseSettings;

/// What a unit of work is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A read by index, or of a bounded part of one.
    Read,
    /// A read whose cost grows with what is stored: sums over all closed signals, for example.
    CostlyRead,
    /// A transaction that writes.
    Write,
}

/// The permits of one pool.
pub(crate) struct Permits {
    /// One for each connection there may be.
    connections: Arc<Semaphore>,
    /// One for each connection that costly reads may have; fewer than all, where there are several.
    costly: Arc<Semaphore>,
    /// SQLite has one writer. Queueing here is fair and costs no thread; its own waiting polls.
    writer: Option<Arc<Semaphore>>,
}

/// The right to use a connection, until it is dropped.
pub(crate) struct Permit {
    /// How long to wait for the connection itself.
    pub(crate) deadline: Instant,
    _held: [Option<OwnedSemaphorePermit>; 2],
}

impl Permits {
    pub(crate) fn new(settings: &DatabaseSettings, has_one_writer: bool) -> Self {
        let (all, costly) = (settings.pool_max as usize, settings.pool_costly as usize);
        Self {
            connections: Arc::new(Semaphore::new(all)),
            costly: Arc::new(Semaphore::new(costly.clamp(1, (all - 1).max(1)))),
            writer: has_one_writer.then(|| Arc::new(Semaphore::new(1))),
        }
    }

    /// Waits for a permit, within the bound of its class.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none came free in time.
    pub(crate) async fn acquire(
        &self,
        class: Class,
        settings: &DatabaseSettings,
    ) -> Result<Permit> {
        let now = Instant::now();
        let turn = match (class, &self.writer) {
            (Class::Write, Some(writer)) => {
                Some(acquire(writer, now + settings.busy_timeout).await?)
            }
            (Class::CostlyRead, _) => {
                Some(acquire(&self.costly, now + settings.costly_timeout).await?)
            }
            (Class::Read | Class::Write, _) => None,
        };
        // The wait for one's turn does not count against the wait for a connection.
        let deadline = Instant::now() + settings.checkout_timeout;
        let connection = acquire(&self.connections, deadline).await?;
        Ok(Permit { deadline, _held: [Some(connection), turn] })
    }
}

async fn acquire(semaphore: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit> {
    match timeout_at(deadline.into(), Arc::clone(semaphore).acquire_owned()).await {
        Ok(permit) => permit.map_err(Error::internal),
        Err(late) => Err(Error::unavailable("the database", late)),
    }
}
