//! The audit log.

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    audit::{AuditCount, AuditFilter, AuditLine, AuditQuery, AuditStore, StoredLine},
};
use async_trait::async_trait;

use crate::Memory;

const HOUR: i64 = 3_600_000_000;

fn is_meant(filter: &AuditFilter, line: &AuditLine) -> bool {
    match filter {
        AuditFilter::All => true,
        AuditFilter::Action(action) => line.action == *action,
        AuditFilter::Actor(actor) => line.actor == *actor,
        AuditFilter::Subject(subject) => line.subject == Some(*subject),
        AuditFilter::Security => line.is_security(),
    }
}

#[async_trait]
impl AuditStore for Memory {
    async fn append(&self, lines: Vec<AuditLine>) -> Result<()> {
        self.write(|unit| {
            for line in lines {
                unit.tables.add_line(line);
            }
            Ok(())
        })
    }

    async fn page(&self, query: AuditQuery) -> Result<Vec<StoredLine>> {
        let AuditQuery { filter, since, until, after, limit } = query;
        let after = after.map(|position| (position.at, position.id));
        let tables = self.read();
        let mut lines: Vec<StoredLine> = tables
            .audit
            .iter()
            .filter(|row| is_meant(&filter, &row.line))
            .filter(|row| since.is_none_or(|since| row.line.at >= since))
            .filter(|row| until.is_none_or(|until| row.line.at < until))
            .filter(|row| after.is_none_or(|after| (row.line.at, row.id) < after))
            .cloned()
            .collect();
        lines.sort_by_key(|row| std::cmp::Reverse((row.line.at, row.id)));
        lines.truncate(limit as usize);
        Ok(lines)
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<AuditCount>> {
        let from = since.micros().div_euclid(HOUR) * HOUR;
        let mut counts = BTreeMap::new();
        for StoredLine { line, .. } in &self.read().audit {
            if line.at.micros() >= from {
                *counts.entry((line.action, line.outcome)).or_insert(0) += u64::from(line.count);
            }
        }
        let counts = counts.into_iter();
        Ok(counts.map(|((action, outcome), count)| AuditCount { action, outcome, count }).collect())
    }
}
