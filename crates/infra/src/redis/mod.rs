//! Redis: one multiplexed connection under one deadline, a circuit that keeps requests off a dead
//! server, and a small pool for what blocks.
//!
//! Ordinary commands go through one [`redis::aio::ConnectionManager`]: a pool would cost a ping per
//! checkout, or not notice dead connections. Waiting commands (`XREAD BLOCK`) would hold everybody
//! else up there, so they have connections of their own, pooled by bb8.
//!
//! Redis 7.0 or newer is needed, or a compatible server. A user of an ACL needs `+ping +info +get
//! +mget +set +del +exists +evalsha +eval +script|load +time +hgetall +hdel +hincrby +pexpire +xadd
//! +xread` on the keys under the prefix.

mod blocking;
mod handle;
mod probe;
mod settings;

pub(crate) use blocking::BlockingConnections;
pub use handle::{Away, RedisHandle};
pub use probe::RedisProbe;
pub use settings::RedisSettings;
