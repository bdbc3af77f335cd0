//! Cached response bodies: one entry with bytes, gzip and `ETag`.
//!
//! [`BodyCache`] keeps entries in memory, and in Redis behind it where that is configured: a miss asks
//! Redis and fills it, a hit never leaves the process. One load per key runs at a time. Entries are
//! refreshed in the background from four fifths of their TTL on, and served past it, within the
//! policy's grace, while that goes on or fails.
//!
//! What is invalidated is never served again, by four rules:
//! * an entry remembers its tags' generations as they were *before* its load, and is servable only
//!   while they are the current ones;
//! * a reader joins a load under way only if that load started under the current generations;
//! * a tag's generation is the number of the newest applied event that concerns it, the same on every
//!   instance, and stands in the name under which Redis keeps an entry. Nothing in Redis decides what
//!   is current, so nothing that it forgets or brings back can;
//! * where the generation of a tag is unknown, or about to change, Redis is not asked.
//!
//! What Redis keeps is bounded in bytes: each instance writes its share of `cache.redis_bytes` at most
//! while what it wrote before has not expired.
//!
//! One load per key runs over all instances: an instance that finds no entry in Redis takes a lease
//! there, which expires by itself. The others look again until they find the entry or get the lease,
//! and load for themselves when neither happened within the deadline of a load.

mod adapter;
mod encoding;
mod engine;
mod entry;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generations;
mod loading;
mod negative;
mod redis_budget;
mod redis_level;
mod settings;
mod single_flight;
mod store;

pub use adapter::BodyCache;
pub use settings::CacheSettings;
