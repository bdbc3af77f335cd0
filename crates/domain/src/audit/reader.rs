//! The audit log, as administrators read it.

use std::{sync::Arc, time::Duration};

use super::{Action, AuditCount, AuditQuery, AuditStore, Outcome, Position, StoredLine};
use crate::{Clock, Result, Timestamp};

/// Some lines, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The lines.
    pub lines: Vec<StoredLine>,
    /// Where the next page starts, if there is one.
    pub next: Option<Position>,
}

/// What was done how often in a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCounts {
    /// From when on: the beginning of an hour, 23 hours or up to 24 ago.
    pub since: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// How often each action came out how, by action; what never happened is not listed.
    pub counts: Vec<AuditCount>,
}

impl DayCounts {
    /// How often `action` came out as `outcome`.
    pub fn of(&self, action: Action, outcome: Outcome) -> u64 {
        let is_it = |count: &&AuditCount| (count.action, count.outcome) == (action, outcome);
        self.counts.iter().find(is_it).map_or(0, |count| count.count)
    }
}

/// Reads the audit log.
pub struct AuditReader {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
}

impl AuditReader {
    /// A reader of `store`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// A page of [`AuditQuery::limit`] lines at most.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn page(&self, query: AuditQuery) -> Result<AuditPage> {
        let limit = query.limit;
        let asked = AuditQuery { limit: limit.saturating_add(1), ..query };
        let mut lines = self.store.page(asked).await?;
        let has_more = lines.len() > limit as usize;
        lines.truncate(limit as usize);
        let last = lines.last().filter(|_| has_more);
        let next = last.map(|last| Position { at: last.line.at, id: last.id });
        Ok(AuditPage { lines, next })
    }

    /// The figures of a day. Refusals are in them once they are [written](super::Denials::flush).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn day(&self) -> Result<DayCounts> {
        const HOUR: i64 = 3_600_000_000;
        let until = self.clock.now();
        let since = until.earlier(Duration::from_hours(23)).micros();
        let since = Timestamp::from_micros(since.div_euclid(HOUR) * HOUR);
        let counts = self.store.counts(since).await?;
        Ok(DayCounts { since, until, counts })
    }
}
