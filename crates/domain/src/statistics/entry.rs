//! What happens to a signal, and what it adds to which sums.

use super::{Choice, LateOutcomes, Mark, Missed, Segment, Trade};
use crate::{
    Timestamp,
    producer::ProducerName,
    signal::{Origin, PnlPercent, Record, Released, Strategy, Symbol},
};

/// A signal's place in its store. It tells how many signals there are, so it is never shown: what others
/// know is the [`SignalId`](crate::signal::SignalId).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowNumber(pub i64);

/// What the sums need to know of a signal.
#[derive(Debug, Clone, PartialEq)]
pub struct EntrySignal {
    /// Its place in the store.
    pub row: RowNumber,
    /// The instrument.
    pub symbol: Symbol,
    /// The method that found it.
    pub strategy: Option<Strategy>,
    /// Who made it.
    pub producer: ProducerName,
    /// Whether it was received live.
    pub origin: Origin,
    /// How sure its producer is, in percent.
    pub confidence: f64,
    /// When its producer made it.
    pub signalled_at: Timestamp,
    /// When Alpine received it.
    pub created_at: Timestamp,
    /// The result that its stop would give; `None` without a stop. Not needed of a signal that was published.
    pub at_stop: Option<PnlPercent>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// It was published.
    Published,
    /// It ended with a result; the position ended then.
    Closed(PnlPercent, Timestamp),
    /// It ended by its age.
    Expired,
    /// It ended in a way that no figure can tell: a time that no calendar holds.
    Unreadable,
    /// After it had expired its producer reported this result; the position ended then.
    Late(PnlPercent, Timestamp),
}

/// Something that happened to a signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The signal.
    pub signal: EntrySignal,
    /// What.
    pub what: Happening,
    /// When Alpine came to know of it.
    pub at: Timestamp,
}

impl EntrySignal {
    /// Whether it is one of these signals.
    pub fn is_of(&self, choice: &Choice) -> bool {
        let Choice { strategy, producer, symbol } = choice;
        strategy.as_ref().is_none_or(|name| self.strategy.as_ref() == Some(name))
            && producer.as_ref().is_none_or(|name| self.producer == *name)
            && symbol.as_ref().is_none_or(|symbol| self.symbol == *symbol)
    }
}

impl Entry {
    /// The order in which entries are added up.
    pub const fn place(&self) -> (Timestamp, bool, RowNumber) {
        let is_end = !matches!(self.what, Happening::Published);
        (self.at, is_end, self.signal.row)
    }

    /// Whether the reader may know of it.
    pub fn is_released(&self, released: &Released) -> bool {
        let newest = self.at.max(self.signal.created_at);
        let in_range = released.below.is_none_or(|below| self.signal.confidence < below);
        newest <= released.as_of && (in_range || newest <= released.others_as_of)
    }

    /// What it adds to a part of the record, with or without late outcomes; `None` for nothing.
    pub fn adds(&self, record: Record, late: LateOutcomes) -> Option<Segment> {
        let segment = match self.what {
            Happening::Published => self.published(record),
            Happening::Expired => self.ended(record, Missed::one(self.signal.at_stop)),
            Happening::Unreadable => self.ended(record, Missed::default()),
            Happening::Closed(pnl, closed_at) => self.closed(record, pnl, closed_at),
            Happening::Late(..) if late == LateOutcomes::Exclude => return None,
            Happening::Late(pnl, closed_at) => self.late(record, pnl, closed_at),
        };
        Some(segment).filter(|segment| !segment.is_empty())
    }

    fn published(&self, record: Record) -> Segment {
        let published = i64::from(record.holds(self.signal.origin));
        Segment { published, ..Segment::default() }
    }

    fn ended(&self, record: Record, expired: Missed) -> Segment {
        if !record.holds(self.signal.origin) {
            return Segment::default();
        }
        Segment { ended: 1, expired, ..Segment::default() }
    }

    fn closed(&self, record: Record, pnl: PnlPercent, closed_at: Timestamp) -> Segment {
        let origin = self.signal.origin.of_outcome(self.signal.created_at, closed_at);
        match (record.holds(self.signal.origin), record.holds(origin)) {
            (false, false) => Segment::default(),
            (true, true) => Segment { ended: 1, ..self.trade(pnl, closed_at, false) },
            (true, false) => Segment {
                ended: 1,
                backdated: Missed::one(self.signal.at_stop),
                ..Segment::default()
            },
            // It is published there as well, so that more has never ended than was published.
            (false, true) => {
                Segment { published: 1, ended: 1, ..self.trade(pnl, closed_at, false) }
            }
        }
    }

    /// The signal has expired before, in the part of its own origin.
    fn late(&self, record: Record, pnl: PnlPercent, closed_at: Timestamp) -> Segment {
        let origin = self.signal.origin.of_outcome(self.signal.created_at, closed_at);
        let missed = Missed::one(self.signal.at_stop);
        match (record.holds(self.signal.origin), record.holds(origin)) {
            (false, false) => Segment::default(),
            (true, true) => Segment { recovered: missed, ..self.trade(pnl, closed_at, true) },
            (true, false) => Segment { recovered: missed, backdated: missed, ..Segment::default() },
            (false, true) => Segment { published: 1, ended: 1, ..self.trade(pnl, closed_at, true) },
        }
    }

    fn trade(&self, pnl: PnlPercent, closed_at: Timestamp, is_late: bool) -> Segment {
        Segment::of(&Trade {
            mark: Mark(self.signal.row.0, self.at.micros(), closed_at.micros()),
            pnl,
            signalled_at: self.signal.signalled_at,
            is_simulated: self.signal.origin == Origin::Simulated,
            is_late,
        })
    }
}
