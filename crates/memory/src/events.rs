//! The event log, as its followers read it.

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    ports::events::{EventLog, LoggedEvent},
};
use async_trait::async_trait;

use crate::Memory;

/// Rows that one transaction deletes at most.
const CHUNK: usize = 2_000;

#[async_trait]
impl EventLog for Memory {
    async fn head(&self) -> Result<i64> {
        Ok(self.read().head())
    }

    async fn read_after(&self, seq: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        let tables = self.read();
        let after = tables.events.iter().filter(|event| event.seq > seq);
        Ok(after.take(limit as usize).cloned().collect())
    }

    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        let tables = self.read();
        let by_kind: BTreeMap<_, _> =
            tables.events.iter().map(|event| (&event.kind, event)).collect();
        Ok(by_kind.into_values().cloned().collect())
    }

    /// What was deleted is not passed again, so `from` is not needed.
    async fn prune_chunk(&self, before: Timestamp, from: i64) -> Result<(u64, i64)> {
        self.write(|unit| {
            let events = &mut unit.tables.events;
            let older = events.iter().take_while(|event| event.recorded_at < before).count();
            let pruned = older.min(events.len().saturating_sub(1)).min(CHUNK);
            events.drain(..pruned);
            Ok((pruned as u64, from))
        })
    }
}
