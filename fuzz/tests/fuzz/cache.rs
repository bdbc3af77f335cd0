//! Bytes from Redis are an entry only with a right code; then they live no longer than the reader's own
//! policy allows, whoever wrote what into them.

use std::time::Duration;

use alpine_domain::{Timestamp, ports::cache::CachePolicy};
use alpine_infra::cache::fuzzing::{read, with_code};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

pub(crate) fn run(data: &[u8]) {
    let _too_short = entries(Unstructured::new(data)).is_err();
}

fn entries(mut data: Unstructured<'_>) -> Result<()> {
    let span = |seconds: u32| Duration::from_secs(seconds.into());
    let policy = CachePolicy {
        ttl: span(data.arbitrary()?),
        grace: span(data.arbitrary()?),
        tags: Vec::new(),
    };
    let now = Timestamp::from_micros(data.arbitrary()?);
    let left = span(data.arbitrary()?);
    let is_headed = data.arbitrary()?;
    let rest = data.take_rest();
    assert!(read(rest.to_vec(), &policy, now, left).is_none(), "nobody guesses a code");
    let Some(entry) = read(with_code(rest, is_headed), &policy, now, left) else { return Ok(()) };
    assert!(entry.fresh_until <= now.later(policy.ttl), "{entry:?}");
    assert!(entry.expires_at <= now.later(policy.ttl + policy.grace), "{entry:?}");
    assert!(entry.loaded_at <= now, "{entry:?}");
    assert!(entry.bytes >= entry.body_bytes, "{entry:?}");
    assert!(entry.body_bytes <= rest.len() as u64, "{entry:?}");
    Ok(())
}
