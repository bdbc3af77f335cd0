//! Bounded pages: a keyset cursor over `(created_at, id)` beside a plain offset.

use std::fmt;

use crate::{Timestamp, signal::SignalId};

/// A count beyond this is not computed: the answer says `total_capped` instead.
pub const TOTAL_CAP: u32 = 10_000;

/// The position after the last row that was read, newest first.
///
/// Travels as `<microseconds>_<id>`; clients treat it as opaque.
///
/// ```
/// use alpine_domain::page::Cursor;
/// let cursor: Cursor = "1736937000000000_42".parse()?;
/// assert_eq!(cursor.id.get(), 42);
/// assert_eq!(cursor.to_string(), "1736937000000000_42");
/// # Ok::<(), alpine_domain::page::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the last row that was read was accepted.
    pub created_at: Timestamp,
    /// That signal, which breaks ties.
    pub id: SignalId,
}

impl Cursor {
    /// Characters of its text at most: two numbers of 64 bits, signs included, and what stands between them.
    pub const MAX_CHARS: usize = 41;
    /// An ECMA-262 pattern that its text matches.
    pub const PATTERN: &'static str = "^-?[0-9]{1,19}_-?[0-9]{1,19}$";
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor: pass `next_cursor` of the page before, unchanged")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at.micros(), self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (micros, id) = text.split_once('_').ok_or(InvalidCursor)?;
        Ok(Self {
            created_at: Timestamp::try_from_micros(micros.parse().map_err(|_| InvalidCursor)?)
                .map_err(|_| InvalidCursor)?,
            id: SignalId::new(id.parse().map_err(|_| InvalidCursor)?),
        })
    }
}

/// Which part of a list is wanted. A cursor wins over the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Rows at most.
    pub limit: u32,
    /// Rows to pass over, when there is no cursor; at most [`TOTAL_CAP`].
    pub offset: u32,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

impl Slice {
    /// The first `limit` rows.
    pub const fn first(limit: u32) -> Self {
        Self { limit, offset: 0, after: None }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// How many rows there are in all, counted up to [`TOTAL_CAP`].
    pub total: u32,
    /// Whether counting stopped at the cap.
    pub total_capped: bool,
    /// The limit that was applied.
    pub limit: u32,
    /// The offset that was applied.
    pub offset: u32,
    /// Where the next page starts, if there is one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Whether another page follows.
    pub const fn has_more(&self) -> bool {
        self.next.is_some()
    }

    /// The same page with every row turned into something else.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            total: self.total,
            total_capped: self.total_capped,
            limit: self.limit,
            offset: self.offset,
            next: self.next,
        }
    }
}
