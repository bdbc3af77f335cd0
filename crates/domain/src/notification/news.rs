//! What everybody of a tier is told of signals. It is no row of anybody: it is made when it is read, of what the
//! reader may see.

use super::{Notification, NotificationId, NotificationKind, SignalMarks};
use crate::{
    Timestamp,
    signal::{Outcome, Signal, SignalNews},
};

/// Signals of each sort that a user is told of at once: the newest.
pub const TOLD: u32 = 100;

/// The notifications of what a reader may know, as this user left them; deleted ones are none.
pub(super) fn notifications(news: &SignalNews, marks: &SignalMarks) -> Vec<Notification> {
    let published = news.published.iter().map(published);
    let closed = news.closed.iter().filter_map(closed);
    let left = published.chain(closed).filter(|told| !marks.is_deleted(told.id));
    left.map(|told| Notification { read_at: marks.read_at(told.id, told.created_at), ..told })
        .collect()
}

fn published(signal: &Signal) -> Notification {
    let content = &signal.content;
    let (action, symbol) = (content.action, &content.symbol);
    let message = format!(
        "{action} {symbol} at {}, with a confidence of {} %.",
        content.entry_price.as_str(),
        content.confidence.as_str()
    );
    let id = NotificationId::Published(signal.id);
    unread(id, NotificationKind::NewSignal, "New signal", signal, (message, content.created_at))
}

fn closed(signal: &Signal) -> Option<Notification> {
    let outcome = signal.outcome.as_ref()?;
    let id = NotificationId::Closed(signal.id);
    let told = (how_it_ended(signal, outcome), outcome.recorded_at);
    Some(unread(id, NotificationKind::SignalClosed, "Signal closed", signal, told))
}

fn how_it_ended(signal: &Signal, outcome: &Outcome) -> String {
    let (action, symbol) = (signal.content.action, &signal.content.symbol);
    let status = outcome.status;
    match (&outcome.exit_price, outcome.pnl) {
        (Some(price), Some(pnl)) => {
            format!("{action} {symbol}: {status} at {}, {pnl} %.", price.as_str())
        }
        _ => format!("{action} {symbol}: {status}."),
    }
}

/// What a simulation made up is said to be so.
fn unread(
    id: NotificationId,
    kind: NotificationKind,
    what: &str,
    signal: &Signal,
    (message, created_at): (String, Timestamp),
) -> Notification {
    let content = &signal.content;
    let note = if content.is_simulated { " (simulated)" } else { "" };
    let title = format!("{what}{note}: {} {}", content.action, content.symbol);
    Notification { id, kind, title, message, created_at, read_at: None }
}
