//! Signals: what a producer may say, who sees it and when, how it ends, and what the record proves.

mod model;
mod number;
mod outcome;
mod store;
mod verification;

pub use model::{
    Action, AssetType, ExternalId, NewSignal, Signal, SignalId, SignalStatus, Strategy, Symbol,
};
pub use number::{Confidence, InvalidNumber, PnlPercent, Price};
pub use outcome::{NewOutcome, Outcome, pnl_percent};
pub use store::{
    Accepted, Aggregates, ClosedPoint, OutcomeRecorded, RecordFilter, SignalQuery, SignalState,
    SignalStore, SymbolRecord,
};
pub use verification::{HashForm, VerificationHash, canonical_text, hash_matches};

/// The inputs of the producer's hash.
pub mod hashed {
    pub use super::verification::{HashedFields, HashedValue};
}
