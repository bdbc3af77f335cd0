//! Signals as a producer writes them, with a hash that is right.

use alpine_domain::signal::{
    HashForm, VerificationHash, canonical_text,
    hashed::{HashedFields, HashedValue},
};

/// A signal's body to be changed and sent. Numbers are text: they travel to the letter.
#[derive(Debug, Clone)]
pub struct SignalBody {
    pub signal_id: String,
    pub symbol: String,
    pub action: String,
    pub entry_price: String,
    pub target_price: Option<String>,
    pub stop_price: Option<String>,
    pub confidence: String,
    pub strategy: String,
    pub timestamp: String,
}

impl SignalBody {
    /// A plain signal with this id and confidence in percent.
    pub fn new(signal_id: &str, confidence: &str) -> Self {
        Self {
            signal_id: signal_id.to_owned(),
            symbol: "AAPL".to_owned(),
            action: "BUY".to_owned(),
            entry_price: "175.5".to_owned(),
            target_price: None,
            stop_price: None,
            confidence: confidence.to_owned(),
            strategy: "weighted_consensus_v6".to_owned(),
            timestamp: "2025-01-15T10:30:00+00:00".to_owned(),
        }
    }

    /// The body with its hash, in the full form.
    pub fn to_json(&self) -> String {
        let number = |given: Option<&str>| given.unwrap_or("null").to_owned();
        format!(
            r#"{{"signal_id": "{}", "symbol": "{}", "action": "{}", "entry_price": {}, "target_price": {}, "stop_price": {}, "confidence": {}, "strategy": "{}", "timestamp": "{}", "sha256": "{}"}}"#,
            self.signal_id,
            self.symbol,
            self.action,
            self.entry_price,
            number(self.target_price.as_deref()),
            number(self.stop_price.as_deref()),
            self.confidence,
            self.strategy,
            self.timestamp,
            self.hash()
        )
    }

    /// What the producer's hash comes to.
    pub fn hash(&self) -> String {
        fn optional(given: Option<&str>) -> HashedValue<'_> {
            given.map_or(HashedValue::Missing, HashedValue::Number)
        }
        let fields = HashedFields([
            ("action", HashedValue::Text(&self.action)),
            ("confidence", HashedValue::Number(&self.confidence)),
            ("entry_price", HashedValue::Number(&self.entry_price)),
            ("signal_id", HashedValue::Text(&self.signal_id)),
            ("stop_price", optional(self.stop_price.as_deref())),
            ("strategy", HashedValue::Text(&self.strategy)),
            ("symbol", HashedValue::Text(&self.symbol)),
            ("target_price", optional(self.target_price.as_deref())),
            ("timestamp", HashedValue::Text(&self.timestamp)),
        ]);
        VerificationHash::of(&canonical_text(&fields, HashForm::Full)).as_str().to_owned()
    }
}
