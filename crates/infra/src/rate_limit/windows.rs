//! Windows and their sub-buckets, for both limiters. All times are microseconds.

use std::time::Duration;

use alpine_domain::ports::rate_limit::{Decision, Window};
use smallvec::SmallVec;

/// The sub-buckets that a window is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SubBuckets {
    /// The length of a sub-bucket.
    pub(super) step: i64,
    /// Sub-buckets in a window.
    pub(super) steps: i64,
}

impl SubBuckets {
    pub(super) fn of(length: Duration) -> Self {
        let steps = if length <= Duration::from_mins(10) { 12 } else { 60 };
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4);
        // Rounded up: sub-buckets together are never shorter than the window.
        let step = (length / steps + i64::from(length % steps != 0)).max(1);
        // The one that is partly outside the window counts as well: steps + 1 sub-buckets count.
        Self { step, steps }
    }

    pub(super) fn bucket(self, now: i64) -> i64 {
        now.div_euclid(self.step)
    }

    /// The oldest sub-bucket that still counts while `bucket` is the current one.
    pub(super) fn oldest(self, bucket: i64) -> i64 {
        bucket.saturating_sub(self.steps)
    }

    /// The longest time until an admission stops counting: the window, the sub-bucket that is partly
    /// outside of it, and one more, to which the end of a lease may belong.
    pub(super) fn longest_wait(self) -> i64 {
        self.step.saturating_mul(self.steps + 2)
    }

    /// When `bucket` stops counting.
    pub(super) fn end_of(self, bucket: i64) -> i64 {
        (bucket + self.steps + 1).saturating_mul(self.step)
    }
}

/// A window after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowState {
    /// Admissions that count now.
    pub(super) used: u32,
    /// Until one more would be admitted; 0 if it would be now.
    pub(super) retry_after: i64,
    /// Until nothing counts any more.
    pub(super) reset_after: i64,
}

/// One for each window, in the order of the policy; policies have two as a rule.
pub(super) type WindowStates = SmallVec<[WindowState; 2]>;

/// The port's form of a decision. `states` are in the order of `windows`, after the decision.
pub(super) fn decision(windows: &[Window], states: &[WindowState], allowed: bool) -> Decision {
    let pairs = || windows.iter().zip(states);
    let told = if allowed {
        pairs().min_by_key(|(w, r)| w.limit.saturating_sub(r.used))
    } else {
        pairs().max_by_key(|(_, r)| r.retry_after)
    };
    let Some((window, state)) = told else {
        // A policy without windows limits nothing.
        return Decision {
            allowed: true,
            limit: u32::MAX,
            window: Duration::from_secs(1),
            remaining: u32::MAX,
            reset_after: Duration::ZERO,
            retry_after: None,
        };
    };
    let retry_after = span(state.retry_after).max(Duration::from_secs(1));
    Decision {
        allowed,
        limit: window.limit,
        window: window.length,
        remaining: if allowed { window.limit.saturating_sub(state.used) } else { 0 },
        reset_after: span(state.reset_after),
        retry_after: (!allowed).then_some(retry_after),
    }
}

fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_buckets_cover_the_window() {
        for micros in [1_u64, 11, 13, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_007] {
            let sub_buckets = SubBuckets::of(Duration::from_micros(micros));
            assert!(sub_buckets.step * sub_buckets.steps >= i64::try_from(micros).unwrap());
        }
        let minute = SubBuckets::of(Duration::from_mins(1));
        assert_eq!((minute.step, minute.steps), (5_000_000, 12));
        let hour = SubBuckets::of(Duration::from_hours(1));
        assert_eq!((hour.step, hour.steps), (60_000_000, 60));
    }
}
