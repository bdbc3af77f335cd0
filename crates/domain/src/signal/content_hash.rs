//! What a signal says, as one hash: by it a repeat is told from another signal under the same id.
//!
//! The hash is stored, so its text is written by this file alone and never changes with a compiler, a
//! library or Unicode's tables. Where an older release wrote another text, the stored signal is
//! hashed anew ([`NewSignal::computed_content_hash`]) before anything is called different.

use super::{
    HashForm, NewSignal, Price, VerificationHash, canonical_text,
    hashed::{HashedFields, HashedValue},
};

impl NewSignal {
    /// The nine values of the producer's hash, in the producer's own digits and letters.
    pub fn hashed_fields(&self) -> HashedFields<'_> {
        fn number(price: Option<&Price>) -> HashedValue<'_> {
            price.map_or(HashedValue::Missing, |price| HashedValue::Number(price.as_str()))
        }
        HashedFields([
            ("action", HashedValue::Text(self.action.as_str())),
            ("confidence", HashedValue::Number(self.confidence.as_str())),
            ("entry_price", HashedValue::Number(self.entry_price.as_str())),
            ("signal_id", HashedValue::Text(self.external_id.as_str())),
            ("stop_price", number(self.stop_price.as_ref())),
            (
                "strategy",
                self.strategy
                    .as_ref()
                    .map_or(HashedValue::Missing, |name| HashedValue::Text(name.as_str())),
            ),
            ("symbol", HashedValue::Text(self.symbol.as_str())),
            ("target_price", number(self.target_price.as_ref())),
            ("timestamp", HashedValue::Text(&self.timestamp)),
        ])
    }

    /// The hash of everything that the signal says: the full form of the nine values and whatever stands
    /// beside them. Two signals of one producer with the same one say the same.
    pub fn computed_content_hash(&self) -> VerificationHash {
        let mut text = canonical_text(&self.hashed_fields(), HashForm::Full);
        self.push_unhashed(&mut text);
        VerificationHash::of(&text)
    }

    /// Appends what the producer's hash leaves out, as `[Some("stock"), None, …]`: no two lists share a text.
    fn push_unhashed(&self, text: &mut String) {
        let count = self.sources_count.map(|count| count.to_string());
        let members = [
            Some(self.asset_type.as_str()),
            self.data_source.as_deref(),
            self.reasoning.as_deref(),
            self.regime.as_deref(),
            self.consensus_agreement.as_deref(),
            count.as_deref(),
        ];
        for (position, member) in members.into_iter().enumerate() {
            text.push_str(if position == 0 { "[" } else { ", " });
            match member {
                Some(member) => {
                    text.push_str("Some(");
                    push_quoted(text, member);
                    text.push(')');
                }
                None => text.push_str("None"),
            }
        }
        text.push(']');
    }
}

/// Quotes `value`. Quotes, backslashes and the control characters of ASCII are escaped, everything
/// else stands as it is.
fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\0' => text.push_str("\\0"),
            '\u{1}'..='\u{1f}' | '\u{7f}' => text.extend(c.escape_unicode()),
            _ => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, producer::ProducerId, signal::Origin};

    fn signal() -> NewSignal {
        NewSignal {
            producer: ProducerId::new(1),
            producer_name: "argo".parse().unwrap(),
            is_simulated: false,
            origin: Origin::Live,
            external_id: "SIG-1".parse().unwrap(),
            symbol: "AAPL".parse().unwrap(),
            action: super::super::Action::Buy,
            entry_price: "850.4299926757812".parse().unwrap(),
            target_price: Some("900".parse().unwrap()),
            stop_price: None,
            confidence: "60.0".parse().unwrap(),
            strategy: Some("s1".parse().unwrap()),
            asset_type: "stock".parse().unwrap(),
            data_source: None,
            reasoning: None,
            regime: None,
            consensus_agreement: None,
            sources_count: None,
            timestamp: "2026-11-20T10:30:00+00:00".to_owned(),
            signalled_at: Timestamp::from_seconds(0),
            hash: VerificationHash::of(""),
            content_hash: VerificationHash::of(""),
            created_at: Timestamp::from_seconds(0),
        }
    }

    fn unhashed(signal: &NewSignal) -> String {
        let mut text = String::new();
        signal.push_unhashed(&mut text);
        text
    }

    /// Stored hashes must be found again by every later release: never change these.
    #[test]
    fn golden_hashes_stay() {
        let plain = signal();
        assert_eq!(unhashed(&plain), r#"[Some("stock"), None, None, None, None, None]"#);
        assert_eq!(
            plain.computed_content_hash().as_str(),
            "0f00b651eb6a8f1aaf98b0c0b9adcd3632c7385f3a502fd7071ae97c6c957b77"
        );
        let full = NewSignal {
            data_source: Some("feed \"A\"\\".to_owned()),
            reasoning: Some("naïve\u{301} 🚀\u{200b}\t\n\r\u{1b}\u{7f}'\u{378}".to_owned()),
            regime: Some(String::new()),
            consensus_agreement: Some("0.50".to_owned()),
            sources_count: Some(7),
            ..signal()
        };
        assert_eq!(
            unhashed(&full),
            "[Some(\"stock\"), Some(\"feed \\\"A\\\"\\\\\"), Some(\"naïve\u{301} 🚀\u{200b}\\t\\n\\r\\u{1b}\\u{7f}'\u{378}\"), Some(\"\"), Some(\"0.50\"), Some(\"7\")]"
        );
        assert_eq!(
            full.computed_content_hash().as_str(),
            "73a03890f1b961d9cd5fe6d88f4b0af358df62ca1a4c138bb1480d4a096efd3f"
        );
    }

    /// Releases before this form wrote the list by `{:?}`: the same text but for what Unicode's tables call unprintable.
    #[test]
    fn hashes_of_older_releases_are_found_again() {
        let ascii: String = (0_u8..128).map(char::from).collect();
        let text = ascii + "äöü 币安 🚀 — ’";
        let older = NewSignal { reasoning: Some(text.clone()), ..signal() };
        let members =
            [Some("stock"), None, Some(text.as_str()), None::<&str>, None::<&str>, None::<&str>];
        assert_eq!(unhashed(&older), format!("{members:?}"));
    }

    #[test]
    fn whatever_a_signal_says_tells_it_from_others() {
        let one = signal();
        let others = [
            NewSignal { reasoning: Some("another".to_owned()), ..one.clone() },
            NewSignal { reasoning: Some(String::new()), ..one.clone() },
            NewSignal { regime: Some("another".to_owned()), ..one.clone() },
            NewSignal { asset_type: "crypto".parse().unwrap(), ..one.clone() },
            NewSignal { sources_count: Some(0), ..one.clone() },
            NewSignal { stop_price: Some("1".parse().unwrap()), ..one.clone() },
        ];
        let mut hashes: Vec<_> = others.iter().map(NewSignal::computed_content_hash).collect();
        hashes.push(one.computed_content_hash());
        hashes.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        hashes.dedup();
        assert_eq!(hashes.len(), 7);
        let same = NewSignal { target_price: Some("900.0".parse().unwrap()), ..one.clone() };
        assert_eq!(same.computed_content_hash(), one.computed_content_hash());
    }
}
