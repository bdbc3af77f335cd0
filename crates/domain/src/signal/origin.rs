//! Whether a record was made before its end was known.

use std::time::Duration;

use crate::{Timestamp, text_enum::text_enum};

text_enum!(
    /// Where a signal, or an outcome, comes from.
    Origin, {
        /// It was received when it was made: nobody knew yet how it would end.
        Live = "live",
        /// It was received later, as history.
        Backfilled = "backfilled",
        /// A simulation made it up.
        Simulated = "simulated",
    }
);

text_enum!(
    /// Which part of the record is asked for.
    Record, {
        /// Signals that were received live. Of outcomes, those whose exit lies no earlier than the receipt of the signal.
        Live = "live",
        /// History: what is neither live nor simulated.
        Backfilled = "backfilled",
        /// What simulations made up.
        Simulated = "simulated",
        /// Everything.
        All = "all",
    }
);

impl Origin {
    /// How late a signal of a release that kept no origin may have arrived to be live.
    pub const EARLIER_LIVE_WITHIN: Duration = Duration::from_hours(24);

    /// The origin of a signal: live when it was received no later than `live_within` after its own time.
    pub fn of_signal(
        is_simulated: bool,
        signalled_at: Timestamp,
        received_at: Timestamp,
        live_within: Duration,
    ) -> Self {
        if is_simulated {
            Self::Simulated
        } else if received_at > signalled_at.later(live_within) {
            Self::Backfilled
        } else {
            Self::Live
        }
    }

    /// The origin of an outcome of a signal of this origin, received at `received_at`: history as well when the
    /// position ended before the signal was received.
    #[must_use]
    pub fn of_outcome(self, received_at: Timestamp, exited_at: Timestamp) -> Self {
        match self {
            Self::Live if exited_at < received_at => Self::Backfilled,
            origin => origin,
        }
    }
}

impl Record {
    /// Whether what has this origin is asked for.
    pub fn holds(self, origin: Origin) -> bool {
        match self {
            Self::Live => origin == Origin::Live,
            Self::Backfilled => origin == Origin::Backfilled,
            Self::Simulated => origin == Origin::Simulated,
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const STEP: Duration = Duration::from_micros(1);

    #[test]
    fn a_signal_is_live_for_exactly_so_long() {
        let signalled = Timestamp::from_seconds(1_000_000);
        let of = |is_simulated, received| Origin::of_signal(is_simulated, signalled, received, DAY);
        assert_eq!(of(false, signalled.earlier(DAY)), Origin::Live, "a clock that is ahead");
        assert_eq!(of(false, signalled.later(DAY)), Origin::Live);
        assert_eq!(of(false, signalled.later(DAY).later(STEP)), Origin::Backfilled);
        assert_eq!(of(true, signalled), Origin::Simulated);
        assert_eq!(of(true, signalled.later(DAY * 2)), Origin::Simulated);
    }

    #[test]
    fn an_exit_before_the_receipt_is_history() {
        let received = Timestamp::from_seconds(1_000_000);
        for origin in Origin::ALL.iter().copied() {
            let after = origin.of_outcome(received, received);
            assert_eq!(after, origin);
            let before = origin.of_outcome(received, received.earlier(STEP));
            let expected = if origin == Origin::Live { Origin::Backfilled } else { origin };
            assert_eq!(before, expected);
        }
    }

    #[test]
    fn each_origin_is_in_its_record_and_in_all() {
        for origin in Origin::ALL.iter().copied() {
            let holding = Record::ALL.iter().filter(|record| record.holds(origin));
            let words: Vec<_> = holding.map(|record| record.as_str()).collect();
            assert_eq!(words, [origin.as_str(), "all"]);
        }
    }
}
