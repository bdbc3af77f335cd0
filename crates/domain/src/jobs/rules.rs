//! When a job is tried again, and when no more.

use std::time::Duration;

use crate::{Error, Timestamp};

/// How often a job is begun at most, until an operator asks for it again.
pub const MAX_ATTEMPTS: u32 = 10;

/// The pause after the first attempt, at most.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Characters of a reason that are kept.
const MAX_REASON: usize = 500;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is tried again at this instant, or later.
    Again {
        /// When.
        due_at: Timestamp,
        /// What went wrong, for operators.
        reason: String,
    },
    /// It is not tried again, unless an operator asks for it.
    Failed {
        /// What went wrong, for operators.
        reason: String,
    },
}

/// Whether a job that was claimed for the `attempts`-th time is to be begun. An attempt that never told
/// how it ended, because its process died, counts as well: such a job ends no process for ever.
pub const fn worth_beginning(attempts: u32) -> bool {
    attempts <= MAX_ATTEMPTS
}

/// What follows from the `attempts`-th attempt, which ended like this at `now`. `random` spreads the pauses
/// of jobs that failed together.
pub fn outcome(result: Result<(), &Error>, attempts: u32, now: Timestamp, random: u32) -> Outcome {
    let Err(error) = result else { return Outcome::Done };
    let reason = reason(error);
    if is_final(error) || attempts >= MAX_ATTEMPTS {
        Outcome::Failed { reason }
    } else {
        let pause = backoff(attempts, random);
        let asked_for = match error {
            Error::Unavailable { retry_after, .. } => (*retry_after).min(LONGEST_PAUSE),
            _ => Duration::ZERO,
        };
        Outcome::Again { due_at: now.later(pause.max(asked_for)), reason }
    }
}

/// The pause after the `attempts`-th attempt: 10 s, then twice as long each time, at most 1 h; of that
/// the half at least, and between the two by chance.
pub fn backoff(attempts: u32, random: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let longest = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let part = f64::from(random) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + part / 2.0)
}

/// Whether the same attempt would end in the same way.
const fn is_final(error: &Error) -> bool {
    match error {
        Error::Invalid(_)
        | Error::Malformed(_)
        | Error::Unauthenticated(_)
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Conflict(_) => true,
        Error::Unavailable { .. } | Error::Internal(_) => false,
    }
}

/// The error in words for operators, bounded.
fn reason(error: &Error) -> String {
    let text = match error {
        Error::Internal(source) => source.to_string(),
        Error::Unavailable { what, source: Some(source), .. } => {
            format!("{what} is unavailable: {source}")
        }
        other => other.to_string(),
    };
    text.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ConflictKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    #[test]
    fn pauses_double_within_their_bounds() {
        for (attempts, least, most) in [
            (0, 5, 10),
            (1, 5, 10),
            (2, 10, 20),
            (3, 20, 40),
            (9, 1_280, 2_560),
            (10, 1_800, 3_600),
            (u32::MAX, 1_800, 3_600),
        ] {
            let pause = |random| backoff(attempts, random);
            assert_eq!(pause(0), Duration::from_secs(least), "{attempts}");
            assert_eq!(pause(u32::MAX), Duration::from_secs(most), "{attempts}");
            let middle = pause(u32::MAX / 2);
            assert!(pause(0) < middle && middle < pause(u32::MAX), "{attempts}: {middle:?}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_ten_times_in_all() {
        let away = Error::unavailable("the mail server", "refused");
        let reason = "the mail server is unavailable: refused".to_owned();
        let again = |attempts: u32| Outcome::Again {
            due_at: NOW.later(backoff(attempts, 7)),
            reason: reason.clone(),
        };
        assert_eq!(outcome(Err(&away), 1, NOW, 7), again(1));
        assert_eq!(outcome(Err(&away), 9, NOW, 7), again(9));
        let failed = Outcome::Failed { reason };
        assert_eq!(outcome(Err(&away), 10, NOW, 7), failed);
        assert_eq!(outcome(Ok(()), 10, NOW, 7), Outcome::Done);
        assert_eq!([worth_beginning(10), worth_beginning(11)], [true, false]);
    }

    #[test]
    fn whoever_asks_for_a_pause_is_left_alone_for_so_long() {
        for (asked_for, expected) in [(1, 5), (300, 300), (90_000, 3_600)] {
            let retry_after = Duration::from_secs(asked_for);
            let error = Error::Unavailable { what: "Telegram", retry_after, source: None };
            let due_at = NOW.later(Duration::from_secs(expected));
            let reason = "Telegram is unavailable".to_owned();
            assert_eq!(outcome(Err(&error), 1, NOW, 0), Outcome::Again { due_at, reason });
        }
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        let is_failed = |error| matches!(outcome(Err(&error), 1, NOW, 0), Outcome::Failed { .. });
        for error in [
            Error::invalid("email", "no"),
            Error::malformed("email", "no"),
            Error::Unauthenticated("no"),
            Error::Forbidden("no"),
            Error::NotFound("account"),
            Error::conflict(ConflictKind::EmailTaken, "no"),
        ] {
            let shown = format!("{error:?}");
            assert!(is_failed(error), "{shown}");
        }
        assert!(!is_failed(Error::internal("broken")));
        assert!(!is_failed(Error::unavailable("it", "away")));
    }

    #[test]
    fn a_reason_is_told_and_bounded() {
        let told = |error| match outcome(Err(&error), 1, NOW, 0) {
            Outcome::Again { reason, .. } | Outcome::Failed { reason } => reason,
            Outcome::Done => panic!("it failed"),
        };
        assert_eq!(told(Error::internal("no such column")), "no such column");
        assert_eq!(told(Error::NotFound("account")), "account not found");
        assert_eq!(told(Error::internal("é".repeat(501))), "é".repeat(500));
    }
}
