//! Redis: one multiplexed connection under one deadline, a circuit that keeps requests off a dead
//! server, and a small pool for what blocks.
//!
//! Behind the connection is one server, the master that Sentinels name, or a cluster, whose own client
//! keeps one such connection to each node. Only `connector` and `connection` know which.
//!
//! Ordinary commands go through one [`redis::aio::ConnectionManager`], since that is fastest: it sends
//! what many requests ask for in one write, where a pool pays for a checkout each, and for a ping
//! besides or else does not notice dead connections. On two cores, with 32 clients, one `GET` each
//! over loopback, both sides on the same machine:
//!
//! | path | round trips/s | ratio | p99 |
//! |---|---|---|---|
//! | one multiplexed connection | 268,000 | 1.00 | 0.3 ms |
//! | bb8, 32 connections, no ping | 127,000 | 0.47 | 0.6 ms |
//! | bb8, 8 connections, no ping | 110,000 | 0.41 | 0.3 ms |
//! | bb8, 32 connections, ping on checkout | 67,000 | 0.25 | 1.3 ms |
//!
//! Blocking commands (`XREAD BLOCK`) would delay all others there, so they have connections of their
//! own, pooled by bb8.
//!
//! A use that fails takes Redis out of use for everybody at once: a request waits for one deadline at
//! most, and those after it not at all. The probe then asks several times within some milliseconds. If
//! Redis answers, it is used again. If not, the circuit opens, which is logged, shown on `/health` and
//! measured, until Redis has answered promptly several times and the recovery hooks have run.
//!
//! The probe writes, with every command that Alpine needs: a Redis that is full, read-only or short of
//! rights or replicas is out of use within `check_interval`, and `/health` says why. It also reads the
//! value back over a new connection: if that leads to another server, because a name was moved, the new
//! server is used.
//!
//! What is kept, and for how long: bodies (a minute, or some while they are asked for; bounded by
//! `cache.redis_bytes`), leases of loads (`cache.load_deadline`), counters of limits (their windows), revoked
//! sessions (as long as their access tokens), the probe's own keys (a minute). Without an end are the stream
//! of wake-ups (some 16 entries) and the loss markers (one, 32 on a cluster). What is evicted is never believed to
//! be absent: bodies are loaded again, revocations are in the process and the database, and a caller whose
//! counters have gone is charged by what the instances know.
//!
//! Redis 7.0 or newer is needed, or a compatible server. A user of an ACL needs `+ping +info +get +set
//! +del +evalsha +script|load +time +hgetall +hlen +hdel +hset +hincrby +pexpire +pttl +xadd
//! +xread +xrevrange` on the keys under the prefix, and `+select` for another
//! database than 0; behind Sentinels `+role`, so that a demoted master is noticed before it refuses a
//! write; on a cluster `+cluster|slots +asking`. A user of the Sentinels' own needs `+role
//! +sentinel|masters` there.

mod address;
mod blocking;
mod cause;
mod circuit;
mod connection;
mod connector;
mod handle;
mod health_probe;
mod memory;
mod namespace;
mod probe;
mod settings;
mod slots;
mod write_check;

pub use address::RedisUrl;
pub(crate) use blocking::PooledBlockingConnection;
pub(crate) use connection::Connection;
pub use handle::{RedisHandle, RedisUnavailable};
pub use health_probe::RedisProbe;
pub(crate) use namespace::{CODE, Namespace, Purpose};
pub use settings::RedisSettings;
