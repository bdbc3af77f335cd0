//! A signal and its parts.

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{Confidence, ExitPrice, Origin, PnlPercent, Price, SignalId, VerificationHash};
use crate::{
    Timestamp,
    producer::{ProducerId, ProducerName},
    text_enum::text_enum,
};

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $reason:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err($reason) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_ticker_punctuation(c: char) -> bool {
    " .-_/:=^!#$%&*+@|~'(),".contains(c)
}

fn plain_text(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.contains(char::is_control)
}

checked_text!(
    /// An instrument's ticker as exchanges and data vendors write it: `AAPL`, `BTC/USDT:USDT-240628`, `M&M.NS`,
    /// `BRK B`, `币安人生/USDT`. Letters and digits of any script, at most 20 in a row, the punctuation
    /// ``.-_/:=^!#$%&*+@|~'(),``, and spaces inside; upper and lower case are different instruments. Quotes,
    /// backslashes, angle brackets and braces are part of no ticker.
    Symbol,
    "must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside",
    |text| (1..=Self::MAX_CHARS).contains(&text.chars().count())
        && text.trim_matches(' ').len() == text.len()
        && text.chars().all(|c| c.is_alphanumeric() || is_ticker_punctuation(c))
        && text.split(is_ticker_punctuation).all(|run| run.chars().count() <= 20)
);
checked_text!(
    /// The producer's own id of a signal, unique per producer.
    ExternalId,
    "must have 1 to 255 characters and no control characters",
    |text| plain_text(text, 255)
);
checked_text!(
    /// The name of the method that found the signal; at most 100 characters, tabs and newlines allowed
    /// since a producer's hash covers them.
    Strategy,
    "must have 1 to 100 characters and no NUL",
    |text| !text.is_empty() && text.chars().count() <= Self::MAX_CHARS && !text.contains('\0')
);
checked_text!(
    /// The kind of instrument, `stock` or `crypto` for example.
    AssetType,
    "must have 1 to 32 characters and no control characters",
    |text| plain_text(text, 32)
);

impl Symbol {
    /// Characters at most.
    pub const MAX_CHARS: usize = 64;
}

impl Strategy {
    /// Characters at most.
    pub const MAX_CHARS: usize = 100;
}

text_enum!(
    /// Which way a signal bets.
    Action, {
        /// On a rising price.
        Buy = "BUY",
        /// On a falling price.
        Sell = "SELL",
    }
);

text_enum!(
    /// How a signal stands.
    SignalStatus, {
        /// Not ended yet.
        Open = "open",
        /// The target was reached.
        TargetHit = "target_hit",
        /// The stop was reached.
        StopHit = "stop_hit",
        /// Ended by the producer for another reason.
        Closed = "closed",
        /// Open for longer than its strategy's horizon.
        Expired = "expired",
    }
);

/// A signal that was checked in every respect and may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSignal {
    /// Who says it.
    pub producer: ProducerId,
    /// What its producer is called.
    pub producer_name: ProducerName,
    /// Whether its producer is a simulation.
    pub is_simulated: bool,
    /// Whether it was received live.
    pub origin: Origin,
    /// The producer's id for it.
    pub external_id: ExternalId,
    /// The instrument.
    pub symbol: Symbol,
    /// Which way.
    pub action: Action,
    /// The price to enter at.
    pub entry_price: Price,
    /// The price to take profit at.
    pub target_price: Option<Price>,
    /// The price to give up at.
    pub stop_price: Option<Price>,
    /// How sure the producer is.
    pub confidence: Confidence,
    /// The method that found it.
    pub strategy: Option<Strategy>,
    /// The kind of instrument.
    pub asset_type: AssetType,
    /// Where the producer's data came from.
    pub data_source: Option<String>,
    /// Why, in words; at most 4,000 characters.
    pub reasoning: Option<String>,
    /// The market's state as the producer saw it; at most 100 characters.
    pub regime: Option<String>,
    /// The share of sources that agreed, the producer's own digits.
    pub consensus_agreement: Option<String>,
    /// How many sources there were.
    pub sources_count: Option<i64>,
    /// The producer's time of the signal, to the letter.
    pub timestamp: String,
    /// The same as an instant.
    pub signalled_at: Timestamp,
    /// The hash that the producer sent, verified.
    pub hash: VerificationHash,
    /// The hash of the full form, whichever form was sent: two signals with the same one say the same.
    pub content_hash: VerificationHash,
    /// When Alpine accepted it.
    pub created_at: Timestamp,
}

/// A stored signal. What was published never changes; only an outcome may be added, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its number.
    pub id: SignalId,
    /// What was published.
    pub content: NewSignal,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// What its producer reported after it had expired: kept beside the expiry, which stays the end of the
    /// signal. Only there when `outcome` is an expiry.
    pub late_outcome: Option<Outcome>,
}

/// A stored outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How the signal ended; never `Open`.
    pub status: SignalStatus,
    /// The price at which it ended; none for a signal that expired.
    pub exit_price: Option<ExitPrice>,
    /// Profit or loss; none for a signal that expired.
    pub pnl: Option<PnlPercent>,
    /// The producer's time of the exit, to the letter; none for a signal that expired.
    pub exit_timestamp: Option<String>,
    /// When the position ended.
    pub closed_at: Timestamp,
    /// When Alpine recorded it: late viewers see it as late as the signal itself.
    pub recorded_at: Timestamp,
}

impl Outcome {
    /// A signal's end by mere age: no price, no profit, no loss.
    pub const fn expired(now: Timestamp) -> Self {
        Self {
            status: SignalStatus::Expired,
            exit_price: None,
            pnl: None,
            exit_timestamp: None,
            closed_at: now,
            recorded_at: now,
        }
    }

    /// Whether this is an end by mere age, of which no producer has said anything.
    pub fn is_expiry(&self) -> bool {
        self.status == SignalStatus::Expired && self.exit_price.is_none()
    }
}

impl Signal {
    /// How the signal stands.
    pub fn status(&self) -> SignalStatus {
        self.outcome.as_ref().map_or(SignalStatus::Open, |outcome| outcome.status)
    }

    /// Whether this outcome of it was received live.
    pub fn origin_of(&self, outcome: &Outcome) -> Origin {
        self.content.origin.of_outcome(self.content.created_at, outcome.closed_at)
    }

    /// Whether the signal ended by mere age, so that what its producer reports is a late outcome.
    pub fn has_expired(&self) -> bool {
        self.outcome.as_ref().is_some_and(Outcome::is_expiry)
    }

    /// The signal as it was known at `instant`: an outcome recorded after it is not there yet, and a late
    /// outcome not before the expiry that it stands beside.
    #[must_use]
    pub fn as_of(mut self, instant: Timestamp) -> Self {
        let is_known = |outcome: &Outcome| outcome.recorded_at <= instant;
        self.outcome = self.outcome.filter(is_known);
        let has_ended = self.outcome.is_some();
        self.late_outcome = self.late_outcome.filter(|late| has_ended && is_known(late));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickers_of_real_markets_are_symbols() {
        for text in [
            "AAPL",
            "BTC-USD",
            "^GSPC",
            "M&M.NS",
            "ES1!",
            "DOGE/USDT:USDT-240628",
            "BTC/USDT:USDT-240628-70000-C",
            "O:SPXW240119C04700000",
            "SPXW  240119C04700000",
            "币安人生/USDT",
            "kPEPE/USDC:USDC",
            "BRK B",
            "$SPX",
            "@ES",
            "NIFTY 50",
            "BTC~USD",
        ] {
            assert_eq!(
                text.parse::<Symbol>().map(|symbol| symbol.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_ticker_is_no_symbol() {
        let long = "A".repeat(21);
        for text in [
            "",
            " ",
            " AAPL",
            "AAPL ",
            "A\tB",
            "A\0B",
            "A\u{200b}B",
            "A\u{202e}B",
            "<b>",
            "A\"B",
            "A;B",
            &long,
        ] {
            assert!(text.parse::<Symbol>().is_err(), "{text:?}");
        }
    }
}
