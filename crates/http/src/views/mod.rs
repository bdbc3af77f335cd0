//! What answers look like: the shapes that existing clients know.

mod accounts;
mod ingest;
mod plans;
mod record;
mod signals;

pub(crate) use accounts::{
    ApiKeyView, ApiKeysView, Message, NewApiKeyView, ProfileView, SignedInView,
};
pub(crate) use ingest::{BatchView, OutcomeView, StoredView};
pub(crate) use plans::PlansView;
pub(crate) use record::{EquityCurveView, StatisticsView, SymbolsView};
pub(crate) use signals::{
    ActionWord, HistoryView, LiveView, SignalPage, SignalView, SignalViews, StatusWord,
};
