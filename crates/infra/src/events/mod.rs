//! Following the event log.
//!
//! The log itself is rows in the database ([`EventLog`](alpine_domain::ports::events::EventLog)).
//! [`Follower`] reads it in order on every instance and knows how fresh this instance is; a wake bus
//! only makes it read earlier than its poll would, and carries no events.

mod follower;
mod no_wake_bus;
mod redis_wake_bus;

pub use follower::{FollowState, Follower, FollowerSettings};
pub use no_wake_bus::NoWakeBus;
pub use redis_wake_bus::RedisWakeBus;
