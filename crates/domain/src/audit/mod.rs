//! Who did what, to whom, when and from where.
//!
//! A change is told by an [`Entry`] in its own transaction, which the store's unit of work completes by the
//! [`Origin`] of the request or command: so nothing changes without its line. A refusal changes nothing and has no
//! transaction; it is counted by [`Denials`].

mod denials;
mod entry;
mod origin;
mod party;
mod reader;
mod store;

pub use denials::{Denials, Flushed};
pub use entry::{Action, AuditLine, Entry, Outcome, Reason, tier_and_role_changed};
pub use origin::{Origin, within};
pub use party::Party;
pub use reader::{AuditPage, AuditReader, DayCounts};
pub use store::{AuditCount, AuditFilter, AuditQuery, AuditStore, Position, StoredLine};
