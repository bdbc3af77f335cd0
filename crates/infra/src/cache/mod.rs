//! Cached response bodies: one entry with bytes, gzip and `ETag`.
//!
//! Both adapters are one engine: entries in memory, tags with generations, one load per key at a
//! time. [`LayeredCache`] adds Redis behind the memory, asked and filled by the one load of a miss;
//! a hit never leaves the process. Entries are refreshed behind their readers from four fifths of
//! their TTL on, and served past it, within a bound, while that goes on or fails.
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
//! One load per key over all instances: whoever finds no entry in Redis takes a lease there that ends
//! by itself; the others look again until the entry or the lease has come, and load themselves when
//! neither has by the deadline of a load.

mod absent;
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
