//! The script that debits all windows of a caller at once, or none: its call and its answer.

use ::redis::{Cmd, Script, cmd};
use alpine_domain::ports::rate_limit::{RatePolicy, Window};

use super::{
    pending_debit::PendingDebit,
    windows::{SubBuckets, WindowState, WindowStates},
};

/// The script's text, and its SHA-1, by which Redis knows it.
pub(super) struct DebitScript {
    pub(super) text: String,
    script: Script,
}

/// What a call needs besides the debit.
pub(super) struct CallContext<'a> {
    /// The caller's key in Redis.
    pub(super) key: String,
    /// The id of this instance in Redis.
    pub(super) instance: &'a str,
    /// The limit of each window, without the instances' own parts.
    pub(super) limits: Vec<u32>,
}

impl DebitScript {
    pub(super) fn new() -> Self {
        let text = include_str!("debit.lua").to_owned();
        Self { script: Script::new(&text), text }
    }

    /// The call for `debit`.
    pub(super) fn call(&self, debit: &PendingDebit<'_>, context: &CallContext<'_>) -> Cmd {
        let policy = debit.limiter.policy;
        let mut call = cmd("EVALSHA");
        call.arg(self.script.get_hash()).arg(1).arg(&context.key);
        call.arg(debit.requested).arg(key_life(policy)).arg(debit.limiter.counts.lease_life);
        call.arg(context.instance).arg(debit.calls);
        let charges = debit.owed_by_window.iter().zip(&debit.mine_by_window);
        let windows = policy.windows.iter().zip(&context.limits).zip(charges);
        for ((window, limit), (owed, mine)) in windows {
            let sub_buckets = SubBuckets::of(window.length);
            call.arg(window.length.as_micros().to_string())
                .arg(sub_buckets.step)
                .arg(sub_buckets.steps)
                .arg(limit)
                .arg(owed)
                .arg(mine);
        }
        call
    }
}

/// Milliseconds for which a caller's key can matter.
fn key_life(policy: &RatePolicy) -> i64 {
    let longest =
        policy.windows.iter().map(|w| SubBuckets::of(w.length).longest_wait()).max().unwrap_or(0);
    longest / 1_000 + 1_000
}

/// The script's answer.
pub(super) struct DebitAnswer {
    pub(super) admitted: u32,
    pub(super) calls: u64,
    pub(super) states: WindowStates,
}

impl DebitAnswer {
    /// Reads an answer about `windows` to a call for `requested` admissions; `None` if it is not a whole
    /// one or grants more. Counters in Redis can be changed by others, so a wait is no longer than the
    /// script's own rule can ask for.
    pub(super) fn read(numbers: &[i64], windows: &[Window], requested: u32) -> Option<Self> {
        let [admitted, calls, rest @ ..] = numbers else {
            return None;
        };
        let states: WindowStates = rest
            .chunks_exact(3)
            .zip(windows)
            .map(|(state, window)| {
                let longest = SubBuckets::of(window.length).longest_wait();
                WindowState {
                    used: u32::try_from(state[0].max(0)).unwrap_or(u32::MAX),
                    retry_after: state[1].clamp(0, longest),
                    reset_after: state[2].clamp(0, longest),
                }
            })
            .collect();
        let admitted = u32::try_from(*admitted).ok().filter(|admitted| *admitted <= requested)?;
        let is_whole = rest.len() == 3 * windows.len();
        is_whole.then_some(Self { admitted, calls: u64::try_from(*calls).ok()?, states })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn any_number() -> impl Strategy<Value = i64> {
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0), -10..10_i64, any::<i64>()]
    }

    proptest! {
        #[test]
        fn no_answer_grants_more_than_was_asked_or_refuses_for_longer_than_the_rule(
            numbers in proptest::collection::vec(any_number(), 0..12),
            requested in 0_u32..4,
        ) {
            let windows = [
                Window { length: Duration::from_mins(1), limit: 20 },
                Window { length: Duration::from_hours(1), limit: 200 },
            ];
            let Some(answer) = DebitAnswer::read(&numbers, &windows, requested) else {
                return Ok(());
            };
            prop_assert_eq!(numbers.len(), 8);
            prop_assert!(answer.admitted <= requested);
            for (state, longest) in answer.states.iter().zip([70_000_000, 3_720_000_000]) {
                prop_assert!((0..=longest).contains(&state.retry_after));
                prop_assert!((0..=longest).contains(&state.reset_after));
            }
        }
    }

    #[test]
    fn a_whole_answer_is_read_as_it_is() {
        let windows = [Window { length: Duration::from_mins(1), limit: 20 }];
        let answer = DebitAnswer::read(&[2, 7, 5, 0, 61_000_000], &windows, 2).unwrap();
        assert_eq!((answer.admitted, answer.calls), (2, 7));
        let state = WindowState { used: 5, retry_after: 0, reset_after: 61_000_000 };
        assert_eq!(answer.states.as_slice(), [state]);
        assert!(DebitAnswer::read(&[3, 7, 5, 0, 0], &windows, 2).is_none());
        assert!(DebitAnswer::read(&[2, 7, 5, 0], &windows, 2).is_none());
    }
}
