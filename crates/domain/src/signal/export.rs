//! Signals as a file: what it holds, in which order, and how one that broke off goes on.
//!
//! A file has its rows newest first. With `updated_after` it has three parts, each newest first: signals that were
//! accepted since, older ones that ended since, and those with a late outcome since that had expired before. So each
//! signal is in one part alone, at a place that nothing moves any more, and a file goes on after any of its rows.

use super::{
    Catalogue, Ended, EndedQuery, Record, Signal, SignalId, SignalQuery,
    catalogue::{at_most, cursor_of, everything},
};
use crate::{
    Error, Result, Timestamp,
    account::Viewer,
    page::{Cursor, Slice},
    time::days,
};

/// Signals read from the store at once.
const BATCH: u32 = 500;

/// The part of the past that a file is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportRequest {
    /// Days to look back; 30 where neither these nor an instant is given.
    pub days: Option<u32>,
    /// Only signals accepted at or after this instant.
    pub since: Option<Timestamp>,
    /// Only signals accepted before this instant.
    pub until: Option<Timestamp>,
    /// Only signals that were accepted, ended or got a late outcome after this instant, as far as the reader knows.
    pub updated_after: Option<Timestamp>,
    /// Only signals whose origin is in this part of the record.
    pub record: Record,
    /// The last row of a file that broke off: only what follows it.
    pub after: Option<SignalId>,
}

/// Days of a file that is asked for without any bound.
const DAYS: u32 = 30;

impl Default for ExportRequest {
    /// Everything of the last 30 days.
    fn default() -> Self {
        let (days, since, until) = (None, None, None);
        Self { days, since, until, updated_after: None, record: Record::All, after: None }
    }
}

impl ExportRequest {
    /// From when on: by whichever bound is the later one.
    fn begins(self, now: Timestamp) -> Timestamp {
        let is_unbounded = self.since.is_none() && self.updated_after.is_none();
        let by_days = self.days.or(is_unbounded.then_some(DAYS));
        let by_days = by_days.map(|count| now.earlier(days(count)));
        self.since.max(by_days).unwrap_or(Timestamp::MIN)
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Signals that were accepted after `updated_after`, or all where there is none.
    Accepted,
    /// Older ones that ended after it.
    Ended,
    /// Older ones, expired before it, with a late outcome after it.
    EndedLate,
}

impl Part {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Accepted => Some(Self::Ended),
            Self::Ended => Some(Self::EndedLate),
            Self::EndedLate => None,
        }
    }

    /// In which part of a file of what happened after `since` the signal stands, and where; `None` in none of them.
    fn of(signal: &Signal, since: Option<Timestamp>) -> Option<(Self, Cursor)> {
        let place = |created_at| Cursor { created_at, id: signal.id };
        let Some(since) = since else { return Some((Self::Accepted, cursor_of(signal))) };
        let ended = signal.outcome.as_ref().map(|outcome| outcome.recorded_at);
        let late = signal.late_outcome.as_ref().map(|late| late.recorded_at);
        let times = [
            (Self::Accepted, Some(signal.content.created_at)),
            (Self::Ended, ended),
            (Self::EndedLate, late),
        ];
        let mut changes = times.into_iter().filter_map(|(part, at)| Some((part, at?)));
        let (part, at) = changes.find(|(_, at)| *at > since)?;
        Some((part, place(at)))
    }
}

/// An export on its way.
#[derive(Debug, Clone)]
pub struct Export {
    query: SignalQuery,
    updated_after: Option<Timestamp>,
    next: Option<(Part, Option<Cursor>)>,
    newest: Option<Newest>,
}

/// What is left to do for who gets the newest rows only: of these, those that the file is to hold. No bound and no
/// place to go on from reaches past them.
#[derive(Debug, Clone, Copy)]
struct Newest {
    rows_left: u32,
    until: Option<Timestamp>,
    /// Rows up to and including this one are passed over.
    after: Option<SignalId>,
}

impl Newest {
    fn holds(&mut self, signal: &Signal, updated_after: Option<Timestamp>) -> bool {
        if let Some(after) = self.after {
            if signal.id == after {
                self.after = None;
            }
            return false;
        }
        self.until.is_none_or(|until| signal.content.created_at < until)
            && Part::of(signal, updated_after).is_some()
    }
}

impl Catalogue {
    /// Starts an export: as things stand when they are read, or for a late reader as they stood at the instant
    /// that they may know of now.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `after` is no row of such a file that `viewer` may see.
    pub async fn export(&self, viewer: Viewer, request: ExportRequest) -> Result<Export> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        let ExportRequest { days: _, since: _, until, updated_after, record, after } = request;
        let begin = self.begin(viewer, updated_after, after).await?;
        let since = Some(request.begins(now));
        let query = SignalQuery { since, record, ..everything(&view, now) };
        Ok(match view.max_rows {
            None => {
                let query = SignalQuery { until, ..query };
                Export { query, updated_after, next: Some(begin), newest: None }
            }
            Some(rows_left) => {
                let newest = Some(Newest { rows_left, until, after });
                Export { query, updated_after, next: Some((Part::Accepted, None)), newest }
            }
        })
    }

    /// Where a file of what happened after `updated_after` begins, or goes on after this signal.
    async fn begin(
        &self,
        viewer: Viewer,
        updated_after: Option<Timestamp>,
        after: Option<SignalId>,
    ) -> Result<(Part, Option<Cursor>)> {
        let Some(after) = after else { return Ok((Part::Accepted, None)) };
        let found = match self.find(viewer, after).await {
            Ok(signal) => Part::of(&signal, updated_after),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let (part, place) = found
            .ok_or_else(|| Error::invalid("after", "must be the id of a row of the same file"))?;
        Ok((part, Some(place)))
    }

    /// The next signals of an export; `None` when there are no more.
    pub async fn export_batch(&self, export: &mut Export) -> Result<Option<Vec<Signal>>> {
        while let Some((part, after)) = export.next {
            let (mut batch, next) = match part {
                Part::Accepted => self.accepted(export, after).await?,
                Part::Ended | Part::EndedLate => self.ended(export, part, after).await?,
            };
            let follows = export.updated_after.and(part.next()).filter(|_| export.newest.is_none());
            export.next = match next {
                Some(_) => Some((part, next)),
                None => follows.map(|part| (part, None)),
            };
            if let Some(newest) = &mut export.newest {
                batch.retain(|signal| newest.holds(signal, export.updated_after));
            }
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Signals by when they were accepted, and where the next ones begin.
    async fn accepted(
        &self,
        export: &mut Export,
        after: Option<Cursor>,
    ) -> Result<(Vec<Signal>, Option<Cursor>)> {
        let limit = at_most(BATCH, export.newest.map(|newest| newest.rows_left));
        let mut query = export.query.clone();
        if export.newest.is_none() {
            let accepted_after = export.updated_after.map(Timestamp::next);
            query.since = query.since.max(accepted_after);
        }
        let batch = self.store.list(&query, Slice { limit, offset: 0, after }).await?;
        let length = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let mut is_done = length < limit;
        if let Some(newest) = &mut export.newest {
            newest.rows_left = newest.rows_left.saturating_sub(length);
            is_done |= newest.rows_left == 0;
        }
        let next = batch.last().map(cursor_of).filter(|_| !is_done);
        Ok((batch, next))
    }

    /// Signals by when an outcome was recorded, and where the next ones begin.
    async fn ended(
        &self,
        export: &Export,
        part: Part,
        after: Option<Cursor>,
    ) -> Result<(Vec<Signal>, Option<Cursor>)> {
        let Some(since) = export.updated_after else { return Ok((Vec::new(), None)) };
        let late = part == Part::EndedLate;
        let ended = EndedQuery { since, late, limit: BATCH, after };
        let Ended { signals, next } = self.store.ended(&export.query, ended).await?;
        Ok((signals, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_bound_has_thirty_days_and_one_of_changes_has_all() {
        let now = Timestamp::from_seconds(1_000_000_000);
        let at = Some(Timestamp::from_seconds(5));
        let begins = |request: ExportRequest| request.begins(now);
        assert_eq!(begins(ExportRequest::default()), now.earlier(days(30)));
        let changes = ExportRequest { updated_after: at, ..ExportRequest::default() };
        assert_eq!(begins(changes), Timestamp::MIN);
        assert_eq!(begins(ExportRequest { days: Some(2), ..changes }), now.earlier(days(2)));
        assert_eq!(Some(begins(ExportRequest { since: at, ..changes })), at);
    }
}
