//! The audit log as it is read, and where what was refused is added.

use async_trait::async_trait;

use super::{Action, AuditLine, Outcome, Party};
use crate::{Result, Timestamp};

/// A line and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Its number.
    pub id: i64,
    /// What it tells.
    pub line: AuditLine,
}

/// A place in the log: lines are ordered by their time, those of one instant by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The time of a line.
    pub at: Timestamp,
    /// Its number.
    pub id: i64,
}

/// Which lines. One at a time: each has its index, so that a page costs the same however long the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditFilter {
    /// All.
    #[default]
    All,
    /// Those of one action.
    Action(Action),
    /// What one party did.
    Actor(Party),
    /// What was done to one.
    Subject(Party),
    /// What concerns security.
    Security,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which lines.
    pub filter: AuditFilter,
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// Only what is older than this.
    pub after: Option<Position>,
    /// So many at most.
    pub limit: u32,
}

/// How often something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCount {
    /// What.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// How often.
    pub count: u64,
}

/// The audit log, kept durably. Changes add their lines in their own transactions.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds lines that belong to no change, in one transaction.
    async fn append(&self, lines: Vec<AuditLine>) -> Result<()>;

    /// Lines, the newest first.
    async fn page(&self, query: AuditQuery) -> Result<Vec<StoredLine>>;

    /// How often each action came out how in the whole hours from the one of `since` on, by action and
    /// outcome. Reads a row for each hour, action and outcome, however many lines there are.
    async fn counts(&self, since: Timestamp) -> Result<Vec<AuditCount>>;
}
