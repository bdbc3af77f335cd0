//! Redis: one multiplexed connection under one deadline, a circuit that keeps requests off a dead
//! server, and a small pool for what blocks.
//!
//! Ordinary commands go through one [`redis::aio::ConnectionManager`]: a pool would cost a ping per
//! checkout, or not notice dead connections. Waiting commands (`XREAD BLOCK`) would hold everybody
//! else up there, so they have connections of their own, pooled by bb8.
//!
//! A use that fails takes Redis out of use for everybody at once, so a request waits for one deadline
//! at most and those after it not at all. The probe then asks several times within some milliseconds:
//! after a hiccup Redis is used again without further ado; else it is away, which is logged, shown on
//! `/health` and measured, until it has answered promptly several times and was brought up to date.
//!
//! Redis 7.0 or newer is needed, or a compatible server. A user of an ACL needs `+ping +info +get
//! +mget +set +del +exists +evalsha +eval +script|load +time +hgetall +hdel +hset +hincrby
//! +pexpire +pttl +xadd +xread +xrevrange` on the keys under the prefix.

mod blocking;
mod circuit;
mod handle;
mod probe;
mod settings;

pub(crate) use blocking::BlockingConnections;
pub use handle::{Away, RedisHandle};
pub use probe::RedisProbe;
pub use settings::RedisSettings;
