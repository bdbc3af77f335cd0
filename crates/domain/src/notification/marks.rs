//! What a user did with notifications that are no rows of theirs: those of signals, which everybody of a tier is told.

use std::{fmt, str::FromStr};

use super::NotificationId;
use crate::Timestamp;

/// Marks of one sort, of published or of closed signals, that are kept for a user: twice as many as are
/// [told](super::TOLD) at once. What pushed an older mark out pushed its notification out before.
const MOST: usize = 200;

/// What was done with one notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Read(Timestamp),
    Deleted,
}

/// What a user did with notifications of signals: up to when all were read, and what was done with single ones.
///
/// Stored as `<id>=<microseconds>` for one that was read and `<id>=deleted`, with commas between, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignalMarks {
    /// Those up to this instant were read, at that one.
    pub read_until: Option<(Timestamp, Timestamp)>,
    single: Vec<(NotificationId, Mark)>,
}

/// Something to be done with notifications of signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkChange {
    /// These are read.
    Read(Vec<NotificationId>),
    /// All up to this instant are read.
    ReadUntil(Timestamp),
    /// This one is deleted.
    Delete(NotificationId),
}

impl SignalMarks {
    /// The marks of this text, and up to when all were read.
    ///
    /// # Errors
    /// For a text that no marks have.
    pub fn from_stored(
        text: &str,
        read_until: Option<(Timestamp, Timestamp)>,
    ) -> Result<Self, InvalidMarks> {
        let single = text.split(',').filter(|part| !part.is_empty()).map(parse);
        Ok(Self { read_until, single: single.collect::<Result<_, _>>()? })
    }

    /// The text of the marks.
    pub fn to_stored(&self) -> String {
        let texts: Vec<_> = self.single.iter().map(|(id, mark)| format!("{id}={mark}")).collect();
        texts.join(",")
    }

    fn of(&self, id: NotificationId) -> Option<Mark> {
        self.single.iter().find(|(other, _)| *other == id).map(|(_, mark)| *mark)
    }

    /// Whether the user deleted it.
    pub fn is_deleted(&self, id: NotificationId) -> bool {
        self.of(id) == Some(Mark::Deleted)
    }

    /// When the user read it; for one that was read with all others, when that was done last.
    pub fn read_at(&self, id: NotificationId, created_at: Timestamp) -> Option<Timestamp> {
        if let Some(Mark::Read(at)) = self.of(id) {
            return Some(at);
        }
        self.read_until.filter(|(until, _)| created_at <= *until).map(|(_, at)| at)
    }

    /// Notes a change that is made at `now`, and forgets the oldest marks beyond those that are kept.
    pub fn apply(&mut self, change: &MarkChange, now: Timestamp) {
        match change {
            MarkChange::Read(ids) => {
                for id in ids.iter().filter(|id| id.row().is_none()) {
                    if self.of(*id).is_none() {
                        self.single.push((*id, Mark::Read(now)));
                    }
                }
            }
            MarkChange::ReadUntil(until) => {
                if self.read_until.is_none_or(|(before, _)| before < *until) {
                    self.read_until = Some((*until, now));
                }
            }
            MarkChange::Delete(id) => {
                self.single.retain(|(other, _)| other != id);
                self.single.push((*id, Mark::Deleted));
            }
        }
        self.forget_oldest(|id| matches!(id, NotificationId::Published(_)));
        self.forget_oldest(|id| matches!(id, NotificationId::Closed(_)));
    }

    fn forget_oldest(&mut self, is_of_sort: impl Fn(&NotificationId) -> bool) {
        let count = self.single.iter().filter(|(id, _)| is_of_sort(id)).count();
        let mut excess = count.saturating_sub(MOST);
        self.single.retain(|(id, _)| {
            let goes = excess > 0 && is_of_sort(id);
            excess -= usize::from(goes);
            !goes
        });
    }
}

/// A text that no marks have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holds no marks of notifications")]
pub struct InvalidMarks;

fn parse(text: &str) -> Result<(NotificationId, Mark), InvalidMarks> {
    let (id, mark) = text.split_once('=').ok_or(InvalidMarks)?;
    Ok((id.parse().map_err(|_| InvalidMarks)?, mark.parse()?))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(at) => at.micros().fmt(f),
            Self::Deleted => f.write_str("deleted"),
        }
    }
}

impl FromStr for Mark {
    type Err = InvalidMarks;

    fn from_str(text: &str) -> Result<Self, InvalidMarks> {
        if text == "deleted" {
            return Ok(Self::Deleted);
        }
        let micros = text.parse().map_err(|_| InvalidMarks)?;
        Timestamp::try_from_micros(micros).map(Self::Read).map_err(|_| InvalidMarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SignalId;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    const fn published(id: i64) -> NotificationId {
        NotificationId::Published(SignalId::new(id))
    }

    const fn closed(id: i64) -> NotificationId {
        NotificationId::Closed(SignalId::new(id))
    }

    #[test]
    fn marks_are_read_back() {
        let mut marks = SignalMarks::default();
        assert_eq!(SignalMarks::from_stored("", None), Ok(marks.clone()));
        marks.apply(&MarkChange::Read(vec![published(1), closed(1)]), at(1));
        marks.apply(&MarkChange::Delete(published(2)), at(2));
        assert_eq!(marks.to_stored(), "notif-s-1=1000000,notif-c-1=1000000,notif-s-2=deleted");
        assert_eq!(SignalMarks::from_stored(&marks.to_stored(), None), Ok(marks));
        for broken in ["notif-s-1", "notif-s-1=x", "x=1"] {
            assert_eq!(SignalMarks::from_stored(broken, None), Err(InvalidMarks), "{broken}");
        }
    }

    #[test]
    fn what_is_read_and_deleted_is_told_apart() {
        let mut marks = SignalMarks::default();
        assert_eq!(marks.read_at(published(1), at(5)), None);
        marks.apply(&MarkChange::Read(vec![published(1)]), at(10));
        // Once more changes nothing.
        marks.apply(&MarkChange::Read(vec![published(1)]), at(11));
        assert_eq!(marks.read_at(published(1), at(5)), Some(at(10)));
        assert_eq!(marks.read_at(closed(1), at(5)), None);
        marks.apply(&MarkChange::ReadUntil(at(5)), at(12));
        // Neither does reading less.
        marks.apply(&MarkChange::ReadUntil(at(4)), at(13));
        let read =
            [at(5), Timestamp::from_micros(5_000_001)].map(|made| marks.read_at(closed(1), made));
        assert_eq!(read, [Some(at(12)), None]);
        assert_eq!(marks.read_at(published(1), at(5)), Some(at(10)));
        marks.apply(&MarkChange::Delete(published(1)), at(14));
        assert!(marks.is_deleted(published(1)));
        assert!(!marks.is_deleted(closed(1)));
        // What is deleted stays so.
        marks.apply(&MarkChange::Read(vec![published(1)]), at(15));
        assert!(marks.is_deleted(published(1)));
    }

    #[test]
    fn the_newest_marks_of_each_sort_are_kept() {
        let mut marks = SignalMarks::default();
        marks.apply(&MarkChange::Delete(closed(0)), at(0));
        for n in 0..201 {
            marks.apply(&MarkChange::Delete(published(n)), at(n));
        }
        assert!(!marks.is_deleted(published(0)));
        assert!(marks.is_deleted(published(1)));
        assert!(marks.is_deleted(closed(0)));
    }
}
