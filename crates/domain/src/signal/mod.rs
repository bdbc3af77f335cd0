//! Signals: what a producer may say, who sees it and when, how it ends, and what the record proves.

mod batch;
mod catalogue;
mod expiry;
mod fields;
mod intake;
mod model;
mod number;
mod outcome;
mod reading;
mod record;
mod store;
mod verification;
mod visibility;

pub use catalogue::{Catalogue, Export, HistoryRequest, ListRequest, Listing};
pub use expiry::{Expiry, ExpirySettings};
pub use intake::{Intake, LineOutcome, LineResult, MAX_BATCH, Submitted};
pub use model::{
    Action, AssetType, ExternalId, NewSignal, Signal, SignalId, SignalStatus, Strategy, Symbol,
};
pub use number::{Confidence, InvalidNumber, PnlPercent, Price};
pub use outcome::{NewOutcome, Outcome, pnl_percent};
pub use reading::hashed_fields;
pub use record::{EquityCurve, EquityPoint, MAX_POINTS, Record, RecordRequest, Statistics};
pub use store::{
    Accepted, Aggregates, ClosedPoint, OutcomeRecorded, RecordFilter, SignalQuery, SignalState,
    SignalStore, SymbolRecord,
};
pub use verification::{HashForm, VerificationHash, canonical_text, hash_matches};
pub use visibility::{View, VisibilityPolicy};

/// The inputs of the producer's hash.
pub mod hashed {
    pub use super::verification::{HashedFields, HashedValue};
}
