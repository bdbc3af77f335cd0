//! What fuzz targets reach of this module: the answers of the shared store.

use alpine_domain::ports::rate_limit::{Decision, RatePolicy};

use super::{
    caller_id::RedisCallerId,
    debit_script::DebitAnswer,
    remote_answers::{KnownAnswer, RemoteAnswers},
    windows::decision,
};

/// What is told a caller of whom the store answered `numbers` to a call for `requested` admissions at
/// `asked_at`: at once, and `passed` later by what is remembered. Microseconds. `None` if the answer is
/// not believed.
pub fn decide(
    policy: &RatePolicy,
    numbers: &[i64],
    requested: u32,
    asked_at: i64,
    passed: i64,
) -> Option<(u32, Vec<Decision>)> {
    let answer = DebitAnswer::read(numbers, &policy.windows, requested)?;
    let mut remembered = RemoteAnswers::of(RedisCallerId::of("fuzzed"));
    remembered.debit_sent(requested);
    remembered.debit_answered(policy, requested, asked_at, answer.admitted, &answer.states);
    let now = asked_at + passed;
    let mut told = vec![decision(&policy.windows, &answer.states, answer.admitted > 0)];
    told.extend(remembered.known_refusal(policy, now));
    told.extend(remembered.known_answer(policy, now).map(|known| match known {
        KnownAnswer::Leased(decision) | KnownAnswer::Refused(decision) => decision,
    }));
    remembered.expire(passed, now);
    let _size = remembered.lease_size(policy, 2, now);
    Some((answer.admitted, told))
}
