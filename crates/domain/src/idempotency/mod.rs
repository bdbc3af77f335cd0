//! One effect, and one answer, for a request that is sent again under the same key, as
//! draft-ietf-httpapi-idempotency-key-header-07 asks for.
//!
//! Who sends a key gets the first answer again for a day, whatever was lost on the way. The same key with another
//! request is refused, and so is one whose first request is still being answered.
//!
//! ```
//! use alpine_domain::idempotency::IdempotencyKey;
//!
//! // In quotes, as the draft writes it, or bare, as most clients send it.
//! let quoted: IdempotencyKey = r#""8e03978e-40d5""#.parse()?;
//! let bare: IdempotencyKey = "8e03978e-40d5".parse()?;
//! assert_eq!(quoted, bare);
//! # Ok::<(), &'static str>(())
//! ```

mod key;
mod repeats;
mod store;

pub use self::{
    key::{Fingerprint, IdempotencyKey, KeyOwner},
    repeats::{MAX_RUN, Repeats, Run},
    store::{Begun, IdempotencyStore, KEPT_FOR, KeptAnswer, MAX_KEPT_BODY, NewRequest},
};
