//! What fuzz targets reach of this module: the bytes of entries in Redis.

use std::time::Duration;

use alpine_domain::{Timestamp, ports::cache::CachePolicy};

use super::{encoding, generations::Snapshot};
use crate::redis::{CODE, Namespace, Purpose};

const NAME: [u8; CODE] = [7; CODE];

fn namespace() -> Namespace {
    Namespace::of_test(1)
}

/// Times and sizes of an entry.
#[derive(Debug)]
pub struct Times {
    /// When it was loaded, by this instance's clock.
    pub loaded_at: Timestamp,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// Until when it is served.
    pub expires_at: Timestamp,
    /// Bytes that it is counted for.
    pub bytes: u64,
    /// Bytes of its body.
    pub body_bytes: u64,
}

/// The bytes with a right code behind them, and with the format's name before them if they are `headed`.
pub fn with_code(bytes: &[u8], headed: bool) -> Vec<u8> {
    let magic: &[u8] = if headed { encoding::MAGIC } else { b"" };
    let mut whole = [magic, bytes].concat();
    let code = namespace().code(Purpose::CacheEntry, &[&NAME, &whole]);
    whole.extend(code);
    whole
}

/// The entry that the bytes are for a reader with this policy at `now`, when the key expires in `left`.
pub fn read(bytes: Vec<u8>, policy: &CachePolicy, now: Timestamp, left: Duration) -> Option<Times> {
    let decoded = encoding::decode(bytes, &namespace(), &NAME)?;
    let entry = decoded.into_entry(Snapshot::default(), policy, now, left);
    let _used = (entry.age(now), entry.is_due_for_refresh(now));
    Some(Times {
        loaded_at: entry.loaded_at,
        fresh_until: entry.body.fresh_until,
        expires_at: entry.expires_at,
        bytes: entry.size(),
        body_bytes: entry.body.body.len() as u64,
    })
}
