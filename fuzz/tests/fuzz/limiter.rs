//! Whatever numbers a shared store answers, nobody is granted more than they asked for, or refused for
//! longer than the rule.

use std::time::Duration;

use alpine_domain::ports::rate_limit::{RatePolicy, Window};
use alpine_infra::rate_limit::fuzzing::decide;
use libfuzzer_sys::arbitrary::{Result, Unstructured};

pub(crate) fn run(data: &[u8]) {
    let _too_short = answers(&mut Unstructured::new(data)).is_err();
}

fn answers(data: &mut Unstructured<'_>) -> Result<()> {
    let limit = data.arbitrary::<u16>()?.max(1).into();
    let seconds = data.int_in_range(1..=86_400_u32)?.into();
    let policy = RatePolicy {
        name: "fuzzed",
        windows: vec![Window { length: Duration::from_secs(seconds), limit }],
        is_coarse: false,
    };
    let requested = data.int_in_range(0..=1_000)?;
    let (asked_at, passed): (u32, u32) = (data.arbitrary()?, data.arbitrary()?);
    // Small numbers as well, since those are looked at closely.
    let mut number = || -> Result<i64> {
        Ok(match data.arbitrary::<u8>()? {
            0..100 => i64::from(data.arbitrary::<u16>()?),
            100..110 => i64::MIN,
            110..120 => i64::MAX,
            _ => data.arbitrary()?,
        })
    };
    let numbers = [number()?, number()?, number()?, number()?, number()?];
    let count = data.int_in_range(4..=5)?;
    let told = decide(&policy, &numbers[..count], requested, asked_at.into(), passed.into());
    let Some((admitted, decisions)) = told else { return Ok(()) };
    assert!(admitted <= requested);
    // The window and two sub-buckets of a twelfth at most, each rounded up to a microsecond.
    let longest = Duration::from_secs(seconds) * 7 / 6 + Duration::from_millis(1);
    for decision in decisions {
        assert!(decision.remaining <= limit);
        assert!(decision.reset_after <= longest, "{decision:?}");
        let wait = decision.retry_after.unwrap_or_default();
        assert!(wait <= longest.max(Duration::from_secs(1)), "{decision:?}");
        assert_eq!(decision.allowed, decision.retry_after.is_none());
    }
    Ok(())
}
