//! Values as JSON, and bodies that never change while the process runs.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
};

use alpine_domain::{
    Error, Result, Timestamp,
    ports::cache::{CacheOutcome, CachedBody},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

/// The media type of every JSON answer. JSON is UTF-8 always; it has no charset parameter.
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// The value as JSON, in as many bytes as it is long: the cache counts the length of what it keeps, and a
/// body written piece by piece may have taken twice as much.
///
/// # Errors
/// [`Error::Internal`] when the value cannot be written.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Bytes> {
    let mut bytes = serde_json::to_vec(value).map_err(Error::internal)?;
    bytes.shrink_to_fit();
    Ok(bytes.into())
}

/// A body that never changes while the process runs: compressed once, however often it is asked for.
///
/// # Errors
/// [`Error::Internal`] when it cannot be compressed.
pub(crate) fn fixed(body: Bytes) -> Result<CachedBody> {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&body).map_err(Error::internal)?;
    let gzip = gzip.finish().map_err(Error::internal)?;
    Ok(CachedBody {
        etag: format!("\"{:016x}\"", hasher.finish()),
        // Pictures grow when they are compressed.
        gzip: (gzip.len() < body.len()).then(|| gzip.into()),
        body,
        headers: Vec::new(),
        outcome: CacheOutcome::Hit,
        fresh_until: Timestamp::from_micros(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_takes_no_more_memory_than_it_is_long() {
        let written = to_json(&"x".repeat(1_000)).expect("a text");
        let whole = written.try_into_mut().expect("nobody else has it");
        assert_eq!((whole.len(), whole.capacity()), (1_002, 1_002));
    }
}
