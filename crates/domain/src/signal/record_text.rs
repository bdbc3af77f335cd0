//! What Alpine states of a signal and of its outcome, each as one canonical text: the bytes that anybody can hash
//! again, and that a log of all signals will hold.
//!
//! Each text is what Python's `json.dumps(obj, sort_keys=True)` gives for an object whose values are texts, `null`,
//! `true` or `false`. Numbers are texts, in the digits that are shown, so that no reader has to know how
//! another one prints a double. A text that is missing or empty is `null`.
//!
//! These bytes are fixed. Another form gets another name under `v`.

use super::{
    ExitPrice, HashForm, Outcome, Price, Signal, SignalStatus, Strategy, VerificationHash,
    canonical_text, python,
};

/// The name of a signal's form.
const SIGNAL_FORM: &str = "alpine-signal-1";
/// The name of an outcome's form.
const OUTCOME_FORM: &str = "alpine-outcome-1";

/// A canonical text with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordText {
    /// The text; ASCII.
    pub text: String,
    /// SHA-256 of its bytes.
    pub hash: VerificationHash,
}

impl RecordText {
    fn of(members: &[(&str, Shown<'_>)]) -> Self {
        // What most texts take.
        let mut text = String::with_capacity(768);
        text.push('{');
        for (position, (name, value)) in members.iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            // Names are ours: nothing in them is escaped.
            text.push('"');
            text.push_str(name);
            text.push_str("\": ");
            match value {
                Shown::Text(Some(value)) if !value.is_empty() => {
                    python::push_string(&mut text, value);
                }
                Shown::Text(_) => text.push_str("null"),
                Shown::Flag(value) => text.push_str(if *value { "true" } else { "false" }),
            }
        }
        text.push('}');
        let hash = VerificationHash::of(&text);
        Self { text, hash }
    }
}

/// A value of a canonical text.
enum Shown<'a> {
    Text(Option<&'a str>),
    Flag(bool),
}

/// What stands in a signal's text, as it is shown to readers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignalStatement<'a> {
    /// BUY or SELL.
    pub action: &'a str,
    /// The kind of instrument.
    pub asset_type: &'a str,
    /// The producer's digits.
    pub confidence: &'a str,
    /// The producer's digits.
    pub entry_price: &'a str,
    /// The producer's hash.
    pub hash: &'a str,
    /// Alpine's number.
    pub id: &'a str,
    /// The producer's name.
    pub producer: &'a str,
    /// Why, in words.
    pub reasoning: Option<&'a str>,
    /// When Alpine accepted it, RFC 3339 in UTC.
    pub received_at: &'a str,
    /// The producer's own id.
    pub signal_id: &'a str,
    /// Whether a simulation made it up.
    pub simulated: bool,
    /// The producer's digits.
    pub stop_price: Option<&'a str>,
    /// The method that found it.
    pub strategy: Option<&'a str>,
    /// The instrument.
    pub symbol: &'a str,
    /// The producer's digits.
    pub target_price: Option<&'a str>,
    /// The producer's time of the signal, to the letter.
    pub timestamp: &'a str,
}

impl SignalStatement<'_> {
    /// The canonical text.
    pub fn record(&self) -> RecordText {
        let text = |text| Shown::Text(Some(text));
        RecordText::of(&[
            ("action", text(self.action)),
            ("asset_type", text(self.asset_type)),
            ("confidence", text(self.confidence)),
            ("entry_price", text(self.entry_price)),
            ("hash", text(self.hash)),
            ("id", text(self.id)),
            ("producer", text(self.producer)),
            ("reasoning", Shown::Text(self.reasoning)),
            ("received_at", text(self.received_at)),
            ("signal_id", text(self.signal_id)),
            ("simulated", Shown::Flag(self.simulated)),
            ("stop_price", Shown::Text(self.stop_price)),
            ("strategy", Shown::Text(self.strategy)),
            ("symbol", text(self.symbol)),
            ("target_price", Shown::Text(self.target_price)),
            ("timestamp", text(self.timestamp)),
            ("v", text(SIGNAL_FORM)),
        ])
    }
}

/// What stands in an outcome's text, as it is shown to readers.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutcomeStatement<'a> {
    /// When the position ended, RFC 3339 in UTC.
    pub closed_at: &'a str,
    /// The producer's digits; none for a signal that expired.
    pub exit_price: Option<&'a str>,
    /// The producer's time of the exit, to the letter; none for a signal that expired.
    pub exit_timestamp: Option<&'a str>,
    /// Whether it was reported after the signal had expired.
    pub late: bool,
    /// Profit or loss in percent of the entry; none for a signal that expired.
    pub pnl_pct: Option<&'a str>,
    /// When Alpine recorded it, RFC 3339 in UTC.
    pub received_at: &'a str,
    /// The hash of the signal's canonical text.
    pub signal: &'a str,
    /// How the signal ended.
    pub status: &'a str,
}

impl OutcomeStatement<'_> {
    /// The canonical text.
    pub fn record(&self) -> RecordText {
        let text = |text| Shown::Text(Some(text));
        RecordText::of(&[
            ("closed_at", text(self.closed_at)),
            ("exit_price", Shown::Text(self.exit_price)),
            ("exit_timestamp", Shown::Text(self.exit_timestamp)),
            ("late", Shown::Flag(self.late)),
            ("pnl_pct", Shown::Text(self.pnl_pct)),
            ("received_at", text(self.received_at)),
            ("signal", text(self.signal)),
            ("status", text(self.status)),
            ("v", text(OUTCOME_FORM)),
        ])
    }
}

impl Signal {
    /// What Alpine states of the signal itself.
    pub fn record(&self) -> RecordText {
        let content = &self.content;
        SignalStatement {
            action: content.action.as_str(),
            asset_type: content.asset_type.as_str(),
            confidence: content.confidence.as_str(),
            entry_price: content.entry_price.as_str(),
            hash: content.hash.as_str(),
            id: &self.id.to_string(),
            producer: content.producer_name.as_str(),
            reasoning: content.reasoning.as_deref(),
            received_at: &content.created_at.to_string(),
            signal_id: content.external_id.as_str(),
            simulated: content.is_simulated,
            stop_price: content.stop_price.as_ref().map(Price::as_str),
            strategy: content.strategy.as_ref().map(Strategy::as_str),
            symbol: content.symbol.as_str(),
            target_price: content.target_price.as_ref().map(Price::as_str),
            timestamp: &content.timestamp,
        }
        .record()
    }

    /// The text that the producer hashed, in the form that gives its hash; of the usual form if none does.
    pub fn hashed_text(&self) -> (HashForm, String) {
        let fields = self.content.hashed_fields();
        let text = |form| (form, canonical_text(&fields, form));
        let is_it = |(_, text): &(_, String)| VerificationHash::of(text) == self.content.hash;
        HashForm::ALL.into_iter().map(text).find(is_it).unwrap_or_else(|| text(HashForm::Full))
    }
}

impl Outcome {
    /// What Alpine states of this outcome of the signal whose text has the hash `signal`; `is_late`: it was
    /// reported after the signal had expired.
    pub fn record(&self, signal: &VerificationHash, is_late: bool) -> RecordText {
        OutcomeStatement {
            closed_at: &self.closed_at.to_string(),
            exit_price: self.exit_price.as_ref().map(ExitPrice::as_str),
            exit_timestamp: self.exit_timestamp.as_deref(),
            late: is_late,
            pnl_pct: self.pnl.map(|pnl| pnl.to_string()).as_deref(),
            received_at: &self.recorded_at.to_string(),
            signal: signal.as_str(),
            status: SignalStatus::as_str(self.status),
        }
        .record()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNAL: SignalStatement<'_> = SignalStatement {
        action: "BUY",
        asset_type: "stock",
        confidence: "95.5",
        entry_price: "175.5",
        hash: "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9",
        id: "42",
        producer: "argo",
        reasoning: Some("naïve 🚀"),
        received_at: "2025-01-15T10:30:02.5Z",
        signal_id: "SIG-1",
        simulated: false,
        stop_price: Some("171.0"),
        strategy: Some("weighted_consensus_v6"),
        symbol: "AAPL",
        target_price: Some("184.25"),
        timestamp: "2025-01-15T10:30:00+00:00",
    };

    const OUTCOME: OutcomeStatement<'_> = OutcomeStatement {
        closed_at: "2025-01-20T15:00:00Z",
        exit_price: Some("184.25"),
        exit_timestamp: Some("2025-01-20T10:00:00-05:00"),
        late: false,
        pnl_pct: Some("4.98575499"),
        received_at: "2025-01-20T15:00:01Z",
        signal: "c132bd88050232d7f23d2752715ad51c948c7e6839b727daf4d4f098a42bdfc6",
        status: "target_hit",
    };

    /// What was exported must be hashed again by every later release: never change these. They were computed by
    /// Python, from `docs/record.md`.
    #[test]
    fn golden_texts_stay() {
        let signal = SIGNAL.record();
        assert_eq!(
            signal.text,
            r#"{"action": "BUY", "asset_type": "stock", "confidence": "95.5", "entry_price": "175.5", "hash": "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9", "id": "42", "producer": "argo", "reasoning": "na\u00efve \ud83d\ude80", "received_at": "2025-01-15T10:30:02.5Z", "signal_id": "SIG-1", "simulated": false, "stop_price": "171.0", "strategy": "weighted_consensus_v6", "symbol": "AAPL", "target_price": "184.25", "timestamp": "2025-01-15T10:30:00+00:00", "v": "alpine-signal-1"}"#
        );
        assert_eq!(signal.hash.as_str(), OUTCOME.signal);
        let outcome = OUTCOME.record();
        assert_eq!(
            outcome.text,
            r#"{"closed_at": "2025-01-20T15:00:00Z", "exit_price": "184.25", "exit_timestamp": "2025-01-20T10:00:00-05:00", "late": false, "pnl_pct": "4.98575499", "received_at": "2025-01-20T15:00:01Z", "signal": "c132bd88050232d7f23d2752715ad51c948c7e6839b727daf4d4f098a42bdfc6", "status": "target_hit", "v": "alpine-outcome-1"}"#
        );
        let at = "2025-02-14T10:31:00Z";
        let expired = OutcomeStatement {
            closed_at: at,
            received_at: at,
            exit_price: None,
            exit_timestamp: None,
            pnl_pct: None,
            status: "expired",
            ..OUTCOME
        };
        let late = OutcomeStatement { late: true, ..OUTCOME };
        let hashes = [OUTCOME, expired, late].map(|it| it.record().hash.to_string());
        assert_eq!(
            hashes,
            [
                "6da145ecb50b9f69688c4b3769e342462ba36ff2325d8348d8c98d8ba4cb3670",
                "2ca2197dfb645fa91f2b667e0e285b218d1c91ada5845991f649d0d52085e11d",
                "8ad610282c0671017a0d6954826f575d6e7ee469e96c62a3ce2f0039ca8c146a",
            ]
        );
    }

    /// CSV cannot tell the one from the other.
    #[test]
    fn an_empty_text_is_a_missing_one() {
        let empty = SignalStatement { reasoning: Some(""), ..SIGNAL };
        let missing = SignalStatement { reasoning: None, ..SIGNAL };
        assert_eq!(empty.record(), missing.record());
        assert_ne!(empty.record(), SIGNAL.record());
    }
}
