//! The end of an account: at once for its owner, and for what is personal after a stated time.
//!
//! Until then an operator can still find out what happened, or undo it by hand. What is left in the end is a row
//! without a name, so that whatever names it by its id, the audit log first of all, stays true.

mod erasure;
mod own;
mod store;

pub use erasure::Erasure;
pub use store::{Deletion, DeletionStore, placeholder};
