//! Signals: what a producer may say, who sees it and when, and how it ends.

mod catalogue;
mod content_hash;
mod expiry;
mod export;
mod intake;
mod model;
mod number;
mod origin;
mod outcome;
mod own;
mod python;
mod record_check;
mod record_text;
mod signal_id;
mod store;
mod verification;
mod visibility;

pub use catalogue::{Catalogue, HistoryRequest, ListRequest, Listing, SignalNews};
pub use expiry::{Expiry, ExpiryEnd, ExpirySettings};
pub use export::{Export, ExportRequest};
pub use intake::{
    Intake, LineOutcome, LineResult, MAX_BATCH, OUTCOME_MEMBERS, OutcomeLine, OutcomeLineResult,
    SIGNAL_MEMBERS, Signed, Submitted, sign,
};
pub use model::{
    Action, AssetType, ExternalId, NewSignal, Outcome, Signal, SignalStatus, Strategy, Symbol,
};
pub use number::{Confidence, ExitPrice, InvalidNumber, PnlPercent, Price};
pub(crate) use number::{quotient, steps_to_percent};
pub use origin::{Origin, Record};
pub use outcome::{NewOutcome, pnl_percent, stop_percent};
pub use record_check::{Difference, ExportedRow};
pub use record_text::{OutcomeStatement, RecordText, SignalStatement};
pub use signal_id::SignalId;
pub use store::{
    Accepted, Ended, EndedQuery, OutcomeRecorded, OwnFilter, SignalQuery, SignalReader,
    SignalState, SignalStore,
};
pub use verification::{HashForm, VerificationHash, canonical_text, hash_matches};
pub use visibility::{Released, View, VisibilityPolicy};

/// The inputs of the producer's hash.
pub mod hashed {
    pub use super::verification::{HashedFields, HashedValue};
}
