//! Rate limiting: several windows at once, all or nothing.
//!
//! A window of length L is cut into k sub-buckets (12 up to ten minutes, 60 beyond); the one that is
//! partly outside the window counts whole. So admissions never exceed the limit in *any* interval of
//! length L, however requests are timed; the price is that a caller who spent everything at once
//! waits up to L + L/k.
//!
//! [`MemoryRateLimiter`] serves one instance. [`RedisRateLimiter`] counts for all of them with one
//! script call by the server's clock, and keeps a local limiter warm for the time that Redis is away.

mod arithmetic;
mod caller;
mod counters;
mod lease;
mod local;
mod memory;
mod redis;
mod table;

pub use local::LocalLimits;
pub use memory::MemoryRateLimiter;
pub use redis::{RedisRateLimiter, SharedLimits};
