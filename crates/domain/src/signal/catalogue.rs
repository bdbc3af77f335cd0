//! What readers ask for: latest, subscribed, live, history, one signal, export. Every answer goes
//! through the reader's [`View`], so that no path shows more than another.

use std::{sync::Arc, time::Duration};

use super::{
    Action, Origin, Record, Signal, SignalId, SignalQuery, SignalReader, SignalState, SignalStatus,
    Symbol, View, VisibilityPolicy,
};
use crate::{
    Clock, Error, Result, Timestamp,
    account::Viewer,
    page::{Cursor, Page, Slice, TOTAL_CAP},
    time::days,
};

/// A list of open signals that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// Which part of it.
    pub slice: Slice,
    /// Only signals of the PREMIUM type.
    pub premium_only: bool,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only this direction.
    pub action: Option<Action>,
    /// Only signals with at least this confidence, in percent.
    pub min_confidence: Option<f64>,
}

impl ListRequest {
    /// The newest `limit` open signals.
    pub const fn newest(limit: u32) -> Self {
        Self {
            slice: Slice::first(limit),
            premium_only: false,
            symbol: None,
            action: None,
            min_confidence: None,
        }
    }
}

/// The past that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRequest {
    /// Rows at most.
    pub limit: u32,
    /// Days to look back.
    pub days: u32,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only signals that stand like this.
    pub status: Option<SignalStatus>,
    /// Only signals whose origin is in this part of the record.
    pub record: Record,
}

/// Signals, and for how long they are the right answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The signals, newest first.
    pub signals: Vec<Signal>,
    /// From then on the answer is another one, by the mere passing of time; `None` if only an event
    /// can change it.
    pub expires_at: Option<Timestamp>,
}

/// What came into a reader's sight.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalNews {
    /// Signals, the one accepted last first.
    pub published: Vec<Signal>,
    /// Signals that were closed, the one closed last first.
    pub closed: Vec<Signal>,
}

/// Answers readers.
pub struct Catalogue {
    pub(super) store: Arc<dyn SignalReader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policy: VisibilityPolicy,
}

impl Catalogue {
    /// A catalogue of `store` under `policy`.
    pub fn new(
        store: Arc<dyn SignalReader>,
        clock: Arc<dyn Clock>,
        policy: VisibilityPolicy,
    ) -> Self {
        Self { store, clock, policy }
    }

    /// What a reader may see, and when.
    pub const fn view(&self, viewer: Viewer) -> View {
        self.policy.view(viewer)
    }

    /// Open signals, newest first. The cursor and offset of the request are not looked at.
    pub async fn latest(&self, viewer: Viewer, request: &ListRequest) -> Result<Listing> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        let query = self.open_query(&view, request, now);
        let slice = Slice::first(at_most(request.slice.limit, view.max_rows));
        let signals = self.store.list(&query, slice).await?;
        Ok(Listing { signals, expires_at: self.expiry(&view, &query, now).await? })
    }

    /// One page of the open signals, with the instant from which it is another one.
    pub async fn subscribed(
        &self,
        viewer: Viewer,
        request: &ListRequest,
    ) -> Result<(Page<Signal>, Option<Timestamp>)> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        let query = self.open_query(&view, request, now);
        let page = match view.max_rows {
            Some(rows) => self.page_within(&query, request.slice, rows).await?,
            None => self.page(&query, request.slice).await?,
        };
        Ok((page, self.expiry(&view, &query, now).await?))
    }

    /// Signals of the last days, whatever became of them, newest first.
    pub async fn history(&self, viewer: Viewer, request: &HistoryRequest) -> Result<Listing> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        // Every field is named, here and in `open_query`: a request that is not looked at does not compile.
        let HistoryRequest { limit, days: last_days, symbol, status, record } = request;
        let query = SignalQuery {
            since: Some(now.earlier(days(*last_days))),
            symbol: symbol.clone(),
            state: status.map_or(SignalState::Any, SignalState::Status),
            record: *record,
            ..everything(&view, now)
        };
        let slice = Slice::first(at_most(*limit, view.max_rows));
        let signals = self.store.list(&query, slice).await?;
        Ok(Listing { signals, expires_at: self.expiry(&view, &query, now).await? })
    }

    /// One signal.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, and just so when `viewer` may not see it yet or at all.
    pub async fn find(&self, viewer: Viewer, id: SignalId) -> Result<Signal> {
        let view = self.policy.view(viewer);
        let found = self.store.find(id).await?;
        found
            .and_then(|signal| view.project(signal, self.clock.now()))
            .ok_or(Error::NotFound("signal"))
    }

    /// What was accepted and what was closed from `since` on, as far as `viewer` knows: of the newest `limit` of each,
    /// or as many as the viewer is shown, those that did not come as history, which is no news.
    pub async fn news(&self, viewer: Viewer, since: Timestamp, limit: u32) -> Result<SignalNews> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        let query = SignalQuery { since: Some(since), ..everything(&view, now) };
        let limit = at_most(limit, view.max_rows);
        let mut published = self.store.list(&query, Slice::first(limit)).await?;
        let mut closed =
            self.store.closings(view.below, Record::All, (since, query.as_of), limit).await?;
        for signals in [&mut published, &mut closed] {
            signals.retain(|signal| signal.content.origin != Origin::Backfilled);
        }
        Ok(SignalNews { published, closed })
    }

    /// The signals of this part of the record that ended last, the one closed last first, as far as `viewer` knows: at most
    /// `limit`, or as many as the viewer is shown.
    pub async fn ended_last(&self, viewer: Viewer, record: Record, limit: u32) -> Result<Listing> {
        let (view, now) = (self.policy.view(viewer), self.clock.now());
        let query = everything(&view, now);
        let (span, limit) = ((Timestamp::MIN, query.as_of), at_most(limit, view.max_rows));
        let signals = self.store.closings(view.below, record, span, limit).await?;
        Ok(Listing { signals, expires_at: self.expiry(&view, &query, now).await? })
    }

    /// How much later than it happens `viewer` is told of what concerns signals.
    pub fn delay(&self, viewer: Viewer) -> Duration {
        self.policy.view(viewer).delay
    }

    /// Whether the signal is of the PREMIUM type.
    pub fn is_premium(&self, signal: &Signal) -> bool {
        self.policy.is_premium(signal)
    }

    /// The lowest confidence that `viewer` is shown, in percent: today 0 for everybody, since tiers
    /// differ by what lies above.
    pub const fn min_confidence(&self, _viewer: Viewer) -> f64 {
        0.0
    }

    fn open_query(&self, view: &View, request: &ListRequest, now: Timestamp) -> SignalQuery {
        // The slice is the caller's.
        let ListRequest { slice: _, premium_only, symbol, action, min_confidence } = request;
        let premium = premium_only.then_some(self.policy.premium_from);
        SignalQuery {
            min_confidence: match (*min_confidence, premium) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            symbol: symbol.clone(),
            action: *action,
            state: SignalState::Open,
            // An old signal that nobody ever closed is no news.
            without_history: true,
            ..everything(view, now)
        }
    }

    async fn page(&self, query: &SignalQuery, slice: Slice) -> Result<Page<Signal>> {
        let one_more = Slice { limit: slice.limit.saturating_add(1), ..slice };
        let items = self.store.list(query, one_more).await?;
        Ok(page_of(items, slice, self.store.count(query, TOTAL_CAP + 1).await?))
    }

    /// A page of a list that ends after `rows` rows for this reader: cursors cannot reach past them.
    async fn page_within(
        &self,
        query: &SignalQuery,
        slice: Slice,
        rows: u32,
    ) -> Result<Page<Signal>> {
        let all = self.store.list(query, Slice::first(rows)).await?;
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let mut rest: Vec<Signal> = match slice.after {
            // What comes after a signal of the same instant only the store knows.
            Some(_) => {
                let after = Slice { limit: rows, offset: 0, after: slice.after };
                let after = self.store.list(query, after).await?;
                let is_after = |signal: &Signal| after.iter().any(|other| other.id == signal.id);
                all.into_iter().filter(is_after).collect()
            }
            None => all.into_iter().skip(slice.offset as usize).collect(),
        };
        let has_more = rest.len() > slice.limit as usize;
        rest.truncate(slice.limit as usize);
        Ok(Page {
            next: has_more.then(|| rest.last().map(cursor_of)).flatten(),
            items: rest,
            total,
            total_capped: false,
            limit: slice.limit,
            offset: slice.offset,
        })
    }

    /// When a late reader's answer changes without any event: the next thing that comes into sight.
    async fn expiry(
        &self,
        view: &View,
        query: &SignalQuery,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        if view.delay.is_zero() {
            return Ok(None);
        }
        let next = self.store.next_change_after(query).await?;
        Ok(Some(next.unwrap_or(now).later(view.delay)))
    }
}

/// All that this view knows at `now`.
pub(super) fn everything(view: &View, now: Timestamp) -> SignalQuery {
    let is_late = !view.delay.is_zero();
    SignalQuery { below: view.below, is_late, ..SignalQuery::all(view.as_of(now)) }
}

pub(super) fn cursor_of(signal: &Signal) -> Cursor {
    Cursor { created_at: signal.content.created_at, id: signal.id }
}

/// The page of a slice, of one signal more than it may have if there is one.
pub(super) fn page_of(mut items: Vec<Signal>, slice: Slice, count: u32) -> Page<Signal> {
    let has_more = items.len() > slice.limit as usize;
    items.truncate(slice.limit as usize);
    let (total, total_capped) = capped(count);
    Page {
        next: has_more.then(|| items.last().map(cursor_of)).flatten(),
        items,
        total,
        total_capped,
        limit: slice.limit,
        offset: slice.offset,
    }
}

/// How many rows are told, and whether there are more.
fn capped(rows: u32) -> (u32, bool) {
    (rows.min(TOTAL_CAP), rows > TOTAL_CAP)
}

pub(super) fn at_most(limit: u32, rows: Option<u32>) -> u32 {
    rows.map_or(limit, |rows| limit.min(rows))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_rows_than_are_told_are_said_to_be_more() {
        let told = [0, 9_999, 10_000, 10_001].map(capped);
        assert_eq!(told, [(0, false), (9_999, false), (10_000, false), (10_000, true)]);
    }

    /// The store runs other statements for who is late: whether one is, only the delay says.
    #[test]
    fn who_is_late_asks_as_who_is_late() {
        let now = Timestamp::from_seconds(1_000_000);
        let delay = Duration::from_mins(15);
        let below = Some(95.0);
        for (delay, as_of, is_late) in
            [(Duration::ZERO, Timestamp::MAX, false), (delay, now.earlier(delay), true)]
        {
            let view = View { below, delay, max_rows: Some(10) };
            let expected = SignalQuery { below, is_late, ..SignalQuery::all(as_of) };
            assert_eq!(everything(&view, now), expected);
        }
    }
}
