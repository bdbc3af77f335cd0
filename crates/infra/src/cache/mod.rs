//! Cached response bodies: one entry with bytes, gzip and `ETag`.
//!
//! Both adapters are one engine: entries in memory, tags with generations, one load per key at a
//! time. [`LayeredCache`] adds Redis behind the memory, asked and filled by the one load of a miss;
//! a hit never leaves the process.
//!
//! What is invalidated is never served again, by three rules:
//! * an entry remembers its tags' generations as they were *before* its load, and is servable only
//!   while they are the current ones;
//! * a reader joins a load under way only if that load started under the current generations;
//! * generations in Redis are random words, not counters, so that a lost one can never come back
//!   equal; a tag whose new word has not reached Redis yet bars Redis for its entries.

mod engine;
mod entry;
mod flight;
mod generations;
mod layered;
mod memory;
mod record;
mod redis_level;
mod settings;
mod store;

pub use layered::LayeredCache;
pub use memory::MemoryCache;
pub use settings::CacheSettings;
