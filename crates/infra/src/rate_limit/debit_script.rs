//! The script that debits all windows of a caller at once, or none: its call and its answer.

use ::redis::{Cmd, Script, cmd};
use alpine_domain::ports::rate_limit::RatePolicy;

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
    let longest = policy
        .windows
        .iter()
        .map(|w| {
            let sub_buckets = SubBuckets::of(w.length);
            sub_buckets.step.saturating_mul(sub_buckets.steps + 1)
        })
        .max()
        .unwrap_or(0);
    longest / 1_000 + 1_000
}

/// The script's answer.
pub(super) struct DebitAnswer {
    pub(super) admitted: u32,
    pub(super) calls: u64,
    pub(super) states: WindowStates,
}

impl DebitAnswer {
    /// Reads an answer about `windows` windows; `None` if it is not a whole one.
    pub(super) fn read(numbers: &[i64], windows: usize) -> Option<Self> {
        let [admitted, calls, rest @ ..] = numbers else {
            return None;
        };
        let states = rest.chunks_exact(3).map(|state| WindowState {
            used: u32::try_from(state[0]).unwrap_or(u32::MAX),
            retry_after: state[1],
            reset_after: state[2],
        });
        let states: WindowStates = states.collect();
        (states.len() == windows).then_some(Self {
            admitted: u32::try_from(*admitted).ok()?,
            calls: u64::try_from(*calls).ok()?,
            states,
        })
    }
}
