//! What was refused, counted in memory and written together.
//!
//! A refusal must cost whoever tries nothing to notice and whoever is attacked no disk. So it is counted here: alike
//! ones (who, what, why, from where) within [`Denials::INTERVAL`] become one line with their count. Of others than
//! the first [`LINES`] only the number is told, by action and reason. An instance that is killed loses
//! what it has not written yet; one that stops writes it.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Action, AuditLine, AuditStore, Entry, Origin, Party, Reason};
use crate::{Clock, Result, Timestamp, account::AddressDigest};

/// Lines with an origin that are written at once, at most. With those that only tell a number, an instance under
/// attack adds some 25 lines in ten seconds.
const LINES: usize = 16;

/// Refusals that are told apart in memory, at most.
const KEPT: usize = 256;

/// What makes refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    action: Action,
    reason: Reason,
    actor: Party,
    subject: Option<Party>,
    address: Option<AddressDigest>,
    detail: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Seen {
    first: Timestamp,
    request_id: Option<String>,
    count: u32,
}

#[derive(Default)]
struct Pending {
    kept: HashMap<Kind, Seen>,
    /// Those that are not told apart.
    others: BTreeMap<(Action, Reason), (Timestamp, u32)>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Lines.
    pub lines: usize,
    /// Refusals of which only the number was written.
    pub only_counted: u64,
}

/// Counts refusals until they are written.
pub struct Denials {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    pending: Mutex<Pending>,
}

impl Denials {
    /// How often what was counted is written.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Refusals that will be written to `store`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, pending: Mutex::default() }
    }

    /// Counts a refusal on behalf of the current [`Origin`]. Waits for nothing.
    pub fn note(&self, action: Action, reason: Reason, subject: Option<Party>) {
        self.note_from(&Origin::current(), action, reason, subject, None);
    }

    /// The same on behalf of `origin`; `detail` says more.
    pub fn note_from(
        &self,
        origin: &Origin,
        action: Action,
        reason: Reason,
        subject: Option<Party>,
        detail: Option<&'static str>,
    ) {
        let Origin { actor, address, request_id } = origin.clone();
        let kind = Kind { action, reason, actor, subject, address, detail };
        let seen = Seen { first: self.clock.now(), request_id, count: 1 };
        self.pending().add(kind, seen);
    }

    /// Writes what was counted. What cannot be written is counted on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn flush(&self) -> Result<Flushed> {
        let pending = mem::take(&mut *self.pending());
        let (lines, flushed) = pending.lines();
        if lines.is_empty() {
            return Ok(flushed);
        }
        let written = self.store.append(lines).await;
        if written.is_err() {
            let newer = mem::replace(&mut *self.pending(), pending);
            self.pending().merge(newer);
        }
        written.map(|()| flushed)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn add(&mut self, kind: Kind, seen: Seen) {
        if let Some(before) = self.kept.get_mut(&kind) {
            before.count = before.count.saturating_add(seen.count);
        } else if self.kept.len() < KEPT {
            self.kept.insert(kind, seen);
        } else {
            self.add_other((kind.action, kind.reason), seen.first, seen.count);
        }
    }

    fn add_other(&mut self, what: (Action, Reason), first: Timestamp, count: u32) {
        let (_, counted) = self.others.entry(what).or_insert((first, 0));
        *counted = counted.saturating_add(count);
    }

    fn merge(&mut self, newer: Self) {
        for (kind, seen) in newer.kept {
            self.add(kind, seen);
        }
        for (what, (first, count)) in newer.others {
            self.add_other(what, first, count);
        }
    }

    /// The lines that tell this. What concerns an account comes first, so that a flood of guesses at nobody hides
    /// none at somebody; then what was tried most often.
    fn lines(&self) -> (Vec<AuditLine>, Flushed) {
        let mut kept: Vec<(&Kind, &Seen)> = self.kept.iter().collect();
        kept.sort_by_key(|(kind, seen)| {
            (kind.subject.is_none(), std::cmp::Reverse(seen.count), seen.first)
        });
        let (told, untold) = kept.split_at(kept.len().min(LINES));
        let mut others = self.others.clone();
        for (kind, seen) in untold {
            let (first, count) =
                others.entry((kind.action, kind.reason)).or_insert((seen.first, 0));
            *first = seen.first.min(*first);
            *count = count.saturating_add(seen.count);
        }
        let mut lines: Vec<AuditLine> = told.iter().map(|(kind, seen)| line(kind, seen)).collect();
        let only_counted = others.values().map(|(_, count)| u64::from(*count)).sum();
        lines.extend(others.into_iter().map(|((action, reason), (first, count))| {
            let origin = Origin { actor: Party::Anonymous, ..Origin::default() };
            let entry = Entry::new(first, action).denied(reason).with("not told apart");
            AuditLine { count, ..entry.line(&origin) }
        }));
        let flushed = Flushed { lines: lines.len(), only_counted };
        (lines, flushed)
    }
}

fn line(kind: &Kind, seen: &Seen) -> AuditLine {
    let origin = Origin {
        actor: kind.actor,
        address: kind.address.clone(),
        request_id: seen.request_id.clone(),
    };
    let line = Entry::new(seen.first, kind.action).denied(kind.reason).line(&origin);
    let detail = kind.detail.map(str::to_owned);
    AuditLine { subject: kind.subject, detail, count: seen.count, ..line }
}
