//! The producer's side: the hash that a signal must carry.

use std::time::Duration;

use super::parse::{Receipt, parse_unsigned};
use crate::{
    Result, Timestamp,
    json::JsonObject,
    producer::{Producer, ProducerId},
    signal::{HashForm, VerificationHash, canonical_text},
};

/// A signal with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signal as it may be sent: its members in the order of their names, every value to the letter, and `sha256` last.
    pub line: String,
    /// The text that is hashed, in the usual form ([`HashForm::Full`]).
    pub text: String,
    /// Its hash.
    pub hash: VerificationHash,
}

/// Signs the signal in `body`; a hash that stands in it already is replaced.
///
/// # Errors
/// What Alpine would refuse of the signal, if it arrived at `now`.
pub fn sign(body: &[u8], now: Timestamp) -> Result<Signed> {
    let object = JsonObject::parse(body)?;
    let nobody = Producer {
        id: ProducerId::new(0),
        name: "unsent".parse().map_err(crate::Error::internal)?,
        is_simulated: false,
        is_active: true,
        created_at: now,
    };
    let signal = parse_unsigned(&object, &nobody, Receipt { now, live_within: Duration::ZERO })?;
    let text = canonical_text(&signal.hashed_fields(), HashForm::Full);
    let hash = VerificationHash::of(&text);
    let line = object.with_text("sha256", hash.as_str(), &["verification_hash"]);
    Ok(Signed { line, text, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::intake::parse::parse_signal;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap()
    }

    #[test]
    fn what_is_signed_is_taken() {
        let body = r#"{"symbol": "AAPL", "signal_id": "SIG-\u00e9", "action": "BUY", "entry_price": 1.0e+02,
            "take_profit": 184.250, "confidence": 95, "timestamp": "2025-01-15T10:30:00+00:00",
            "note": {"kept": [1.50]}, "verification_hash": "old"}"#;
        let signed = sign(body.as_bytes(), now()).unwrap();
        assert_eq!(
            signed.text,
            r#"{"action": "BUY", "confidence": 95.0, "entry_price": 100.0, "signal_id": "SIG-\u00e9", "stop_price": null, "strategy": null, "symbol": "AAPL", "target_price": 184.25, "timestamp": "2025-01-15T10:30:00+00:00"}"#
        );
        assert_eq!(signed.hash, VerificationHash::of(&signed.text));
        assert!(
            signed.line.contains(r#""entry_price": 1.0e+02, "note": {"kept": [1.50]}"#),
            "{}",
            signed.line
        );
        assert!(signed.line.ends_with(&format!(r#", "sha256": "{}"}}"#, signed.hash)));
        assert!(!signed.line.contains("verification_hash"));
        let object = JsonObject::parse(signed.line.as_bytes()).unwrap();
        let producer = Producer {
            id: ProducerId::new(1),
            name: "argo".parse().unwrap(),
            is_simulated: false,
            is_active: true,
            created_at: now(),
        };
        let received = Receipt { now: now(), live_within: Duration::ZERO };
        assert_eq!(parse_signal(&object, &producer, received).unwrap().hash, signed.hash);
    }

    #[test]
    fn what_would_be_refused_is_not_signed() {
        let error =
            sign(br#"{"signal_id": "S", "action": "HOLD"}"#, now()).unwrap_err().to_string();
        for field in ["symbol", "action", "entry_price", "confidence", "timestamp"] {
            assert!(error.contains(field), "{field}: {error}");
        }
        assert!(!error.contains("sha256"), "{error}");
    }
}
