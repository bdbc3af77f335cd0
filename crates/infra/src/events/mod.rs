//! Following the event log.
//!
//! The log itself is rows in the database ([`EventLog`](alpine_domain::ports::events::EventLog)).
//! [`Follower`] reads it in order on every instance and knows how fresh this instance is; a bus only
//! wakes it earlier than its poll would.

mod follower;
mod memory;
mod redis;

pub use follower::{FollowState, Follower, FollowerSettings};
pub use memory::MemoryBus;
pub use redis::RedisBus;
