//! Rate limiting: several windows at once, all or nothing.
//!
//! A window of length L is cut into k sub-buckets (12 up to ten minutes, 60 beyond); the one that is
//! partly outside the window counts whole. So admissions never exceed the limit in *any* interval of
//! length L, however requests are timed; the price is that a caller who spent everything at once
//! waits up to L + L/k.
//!
//! [`MemoryRateLimiter`] is the in-memory limiter, for one instance. [`RedisRateLimiter`] counts for all
//! instances, with one script call by the server's clock. It counts in memory too, and decides by that
//! while Redis is away.

mod caller_id;
mod caller_table;
mod debit_script;
#[cfg(fuzzing)]
pub mod fuzzing;
mod memory_limiter;
mod pending_debit;
mod policy_counts;
mod policy_metrics;
mod redis_limiter;
mod remote_answers;
mod window_counts;
mod windows;

pub use memory_limiter::MemoryRateLimiter;
pub use redis_limiter::{RedisRateLimiter, SharedLimits};
