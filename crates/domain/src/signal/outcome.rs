//! How a signal ended.

use bigdecimal::BigDecimal;

use super::{
    Action, ExitPrice, ExternalId, InvalidNumber, Outcome, PnlPercent, Price, Signal, SignalStatus,
};
use crate::{Result, Timestamp, error::Refusals, producer::ProducerId};

/// An outcome as a producer reports it, checked in itself but not yet against its signal.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutcome {
    /// Who reports it.
    pub producer: ProducerId,
    /// The producer's id of the signal.
    pub external_id: ExternalId,
    /// The price at which the position ended.
    pub exit_price: ExitPrice,
    /// The producer's time of the exit, to the letter.
    pub exit_timestamp: String,
    /// The same as an instant.
    pub exited_at: Timestamp,
    /// How it ended, if the producer says so; otherwise the prices tell.
    pub status: Option<SignalStatus>,
    /// When Alpine received it.
    pub recorded_at: Timestamp,
}

impl NewOutcome {
    /// The outcome of `signal` that this report makes, with profit and loss computed by us.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when the exit lies before the signal, when the status says that a target or
    /// a stop was reached and the prices do not, or when the result is beyond what a price can plausibly do.
    pub fn settle(&self, signal: &Signal) -> Result<Outcome> {
        let content = &signal.content;
        let mut refusals = Refusals::default();
        if self.exited_at < content.signalled_at {
            refusals.add(
                "exit_timestamp",
                format!("lies before the signal's own time, {}", content.timestamp),
            );
        }
        self.check_status(signal, &mut refusals);
        let pnl = pnl_percent(content.action, &content.entry_price, &self.exit_price);
        let pnl = refusals.check("exit_price", pnl);
        refusals.into_result()?;
        Ok(Outcome {
            status: self.status.unwrap_or_else(|| self.inferred_status(signal)),
            exit_price: Some(self.exit_price.clone()),
            pnl,
            exit_timestamp: Some(self.exit_timestamp.clone()),
            closed_at: self.exited_at,
            recorded_at: self.recorded_at,
        })
    }

    /// The late outcome of `signal`, which has expired, that this report makes. Never recorded before the
    /// expiry, whatever the clocks of two instances say, so that nobody learns of it earlier.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn settle_late(&self, signal: &Signal) -> Result<Outcome> {
        let settled = self.settle(signal)?;
        let expired_at = signal.outcome.as_ref().map(|expiry| expiry.recorded_at);
        let recorded_at = expired_at.map_or(self.recorded_at, |at| self.recorded_at.max(at));
        Ok(Outcome { recorded_at, ..settled })
    }

    /// Whether this report says what `stored` says already. A report without a status agrees with
    /// any status.
    pub fn repeats(&self, stored: &Outcome) -> bool {
        let same_price =
            stored.exit_price.as_ref().is_some_and(|p| p.exact() == self.exit_price.exact());
        same_price
            && stored.closed_at == self.exited_at
            && self.status.is_none_or(|status| status == stored.status)
    }

    /// A target or a stop that is said to be reached is one that the signal has, and that the exit lies at or
    /// beyond. If it does not, both the status and the price are refused: nobody knows which is wrong.
    fn check_status(&self, signal: &Signal, refusals: &mut Refusals) {
        let content = &signal.content;
        let (name, limit, is_reached) = match self.status {
            Some(SignalStatus::TargetHit) => {
                ("target_price", &content.target_price, self.reaches_target(signal))
            }
            Some(SignalStatus::StopHit) => {
                ("stop_price", &content.stop_price, self.reaches_stop(signal))
            }
            None | Some(SignalStatus::Open | SignalStatus::Closed | SignalStatus::Expired) => {
                return;
            }
        };
        if is_reached {
            return;
        }
        let (exit, action) = (self.exit_price.as_str(), content.action);
        let fact = limit.as_ref().map_or_else(
            || format!("the signal has no {name}"),
            |limit| format!("the {action}'s {name} is {}", limit.as_str()),
        );
        refusals.add("status", format!("contradicts exit_price {exit}: {fact}"));
        refusals.add("exit_price", format!("does not reach what status says: {fact}"));
    }

    fn inferred_status(&self, signal: &Signal) -> SignalStatus {
        if self.reaches_target(signal) {
            SignalStatus::TargetHit
        } else if self.reaches_stop(signal) {
            SignalStatus::StopHit
        } else {
            SignalStatus::Closed
        }
    }

    fn reaches_target(&self, signal: &Signal) -> bool {
        self.is_beyond(signal.content.target_price.as_ref(), signal.content.action == Action::Buy)
    }

    fn reaches_stop(&self, signal: &Signal) -> bool {
        self.is_beyond(signal.content.stop_price.as_ref(), signal.content.action == Action::Sell)
    }

    /// Whether the exit lies at the limit, or above it (`rising`), or below it.
    fn is_beyond(&self, limit: Option<&Price>, rising: bool) -> bool {
        let exit = self.exit_price.exact();
        limit.is_some_and(
            |limit| {
                if rising { exit >= limit.exact() } else { exit <= limit.exact() }
            },
        )
    }
}

/// Profit or loss in percent of the entry: exit against entry for a BUY, entry against exit for a
/// SELL. Computed in exact decimals, rounded half to even at 10⁻⁸ percent. An entry is above zero, so
/// that an exit at zero is −100 percent of a BUY and +100 percent of a SELL, and one below zero more.
///
/// # Errors
/// [`InvalidNumber::BeyondBounds`] beyond [`PnlPercent::MAX_STEPS`].
pub fn pnl_percent(
    action: Action,
    entry: &Price,
    exit: &ExitPrice,
) -> Result<PnlPercent, InvalidNumber> {
    percent_of_entry(action, entry, exit.exact())
}

/// What a position gives that ends at its stop, in percent of the entry; `None` when that is beyond what can be
/// held.
pub fn stop_percent(action: Action, entry: &Price, stop: &Price) -> Option<PnlPercent> {
    percent_of_entry(action, entry, stop.exact()).ok()
}

fn percent_of_entry(
    action: Action,
    entry: &Price,
    exit: &BigDecimal,
) -> Result<PnlPercent, InvalidNumber> {
    let gain: BigDecimal = match action {
        Action::Buy => exit - entry.exact(),
        Action::Sell => entry.exact() - exit,
    };
    // Both prices fit doubles, so the quotient has at most some 640 digits before the point; the
    // division itself keeps 100 significant ones.
    let percent = gain * BigDecimal::from(100) / entry.exact();
    PnlPercent::from_exact(&percent).ok_or(InvalidNumber::BeyondBounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{NewSignal, Origin, SignalId, VerificationHash};

    fn pnl(action: Action, entry: &str, exit: &str) -> String {
        pnl_percent(action, &entry.parse().unwrap(), &exit.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn sides_have_opposite_signs() {
        assert_eq!(pnl(Action::Buy, "100", "97.5"), "-2.5");
        assert_eq!(pnl(Action::Sell, "100", "97.5"), "2.5");
        assert_eq!(pnl(Action::Sell, "10", "26.351260438667138"), "-163.51260439");
        assert_eq!(pnl(Action::Sell, "5.5182067382812505", "5.372781880187988"), "2.63536444");
    }

    #[test]
    fn an_exit_at_zero_or_below_counts_in_full() {
        assert_eq!(pnl(Action::Buy, "4.2", "0"), "-100");
        assert_eq!(pnl(Action::Sell, "4.2", "0.0"), "100");
        assert_eq!(pnl(Action::Buy, "4.2", "-37.63"), "-995.95238095");
        assert_eq!(pnl(Action::Sell, "4.2", "-37.63"), "995.95238095");
    }

    #[test]
    fn absurd_results_are_refused_not_overflowed() {
        let entry: Price = "2.2250738585072014e-308".parse().unwrap();
        let exit: ExitPrice = "1e+300".parse().unwrap();
        assert_eq!(pnl_percent(Action::Buy, &entry, &exit), Err(InvalidNumber::BeyondBounds));
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    /// A BUY at 100 with a target of 110, signalled and accepted at 0, that has expired at 100.
    fn expired() -> Signal {
        let hash = VerificationHash::of("x");
        let content = NewSignal {
            producer: ProducerId::new(1),
            producer_name: "argo".parse().unwrap(),
            is_simulated: false,
            origin: Origin::Live,
            external_id: "SIG-1".parse().unwrap(),
            symbol: "AAPL".parse().unwrap(),
            action: Action::Buy,
            entry_price: "100".parse().unwrap(),
            target_price: Some("110".parse().unwrap()),
            stop_price: None,
            confidence: "70".parse().unwrap(),
            strategy: None,
            asset_type: "stock".parse().unwrap(),
            data_source: None,
            reasoning: None,
            regime: None,
            consensus_agreement: None,
            sources_count: None,
            timestamp: String::new(),
            signalled_at: at(0),
            hash: hash.clone(),
            content_hash: hash,
            created_at: at(0),
        };
        let outcome = Some(Outcome::expired(at(100)));
        Signal { id: SignalId::new(1), content, outcome, late_outcome: None }
    }

    fn report(price: &str, exited: i64, recorded: i64) -> NewOutcome {
        NewOutcome {
            producer: ProducerId::new(1),
            external_id: "SIG-1".parse().unwrap(),
            exit_price: price.parse().unwrap(),
            exit_timestamp: String::new(),
            exited_at: at(exited),
            status: None,
            recorded_at: at(recorded),
        }
    }

    #[test]
    fn a_late_outcome_is_settled_like_others_and_never_before_the_expiry() {
        let late = report("112.5", 50, 200).settle_late(&expired()).unwrap();
        assert_eq!((late.status, late.recorded_at), (SignalStatus::TargetHit, at(200)));
        assert_eq!((late.pnl.unwrap().to_string().as_str(), late.closed_at), ("12.5", at(50)));
        let behind = report("112.5", 50, 99).settle_late(&expired()).unwrap();
        assert_eq!(behind.recorded_at, at(100));
        assert!(report("112.5", -1, 200).settle_late(&expired()).is_err());
    }

    #[test]
    fn a_late_outcome_is_known_from_its_own_instant_on() {
        let late = report("112.5", 50, 200).settle_late(&expired()).unwrap();
        let signal = Signal { late_outcome: Some(late.clone()), ..expired() };
        for (seconds, has_ended, is_late) in
            [(99, false, false), (100, true, false), (199, true, false), (200, true, true)]
        {
            let known = signal.clone().as_of(at(seconds));
            let found = (known.has_expired(), known.late_outcome.is_some());
            assert_eq!(found, (has_ended, is_late), "{seconds}");
        }
        // Whatever is stored, nothing is told beside an expiry that is not told yet.
        let early = Outcome { recorded_at: at(1), ..late };
        let signal = Signal { late_outcome: Some(early), ..signal };
        assert_eq!(signal.as_of(at(99)).late_outcome, None);
    }

    #[test]
    fn only_an_end_by_mere_age_takes_a_late_outcome() {
        let mut said = report("101", 50, 60);
        said.status = Some(SignalStatus::Expired);
        let settled = said.settle(&Signal { outcome: None, ..expired() }).unwrap();
        assert!(!settled.is_expiry());
        assert!(expired().has_expired());
        assert!(!Signal { outcome: None, ..expired() }.has_expired());
    }
}
