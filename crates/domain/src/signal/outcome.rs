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
    /// [`crate::Error::Invalid`] when the exit lies before the signal, or the result is beyond what a
    /// price can plausibly do.
    pub fn settle(&self, signal: &Signal) -> Result<Outcome> {
        let content = &signal.content;
        let mut refusals = Refusals::default();
        if self.exited_at < content.signalled_at {
            refusals.add(
                "exit_timestamp",
                format!("lies before the signal's own time, {}", content.timestamp),
            );
        }
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

    /// Whether this report says what `stored` says already. A report without a status agrees with
    /// any status.
    pub fn repeats(&self, stored: &Outcome) -> bool {
        let same_price =
            stored.exit_price.as_ref().is_some_and(|p| p.exact() == self.exit_price.exact());
        same_price
            && stored.closed_at == self.exited_at
            && self.status.is_none_or(|status| status == stored.status)
    }

    fn inferred_status(&self, signal: &Signal) -> SignalStatus {
        let content = &signal.content;
        let exit = self.exit_price.exact();
        let beyond = |limit: &Option<Price>, rising: bool| {
            limit.as_ref().is_some_and(|limit| {
                if rising { exit >= limit.exact() } else { exit <= limit.exact() }
            })
        };
        let is_buy = content.action == Action::Buy;
        if beyond(&content.target_price, is_buy) {
            SignalStatus::TargetHit
        } else if beyond(&content.stop_price, !is_buy) {
            SignalStatus::StopHit
        } else {
            SignalStatus::Closed
        }
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
    let gain: BigDecimal = match action {
        Action::Buy => exit.exact() - entry.exact(),
        Action::Sell => entry.exact() - exit.exact(),
    };
    // Both prices fit doubles, so the quotient has at most some 640 digits before the point; the
    // division itself keeps 100 significant ones.
    let percent = gain * BigDecimal::from(100) / entry.exact();
    PnlPercent::from_exact(&percent).ok_or(InvalidNumber::BeyondBounds)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
