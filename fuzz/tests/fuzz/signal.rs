//! A submission is parsed, or refused with the fields at fault. What is accepted says the same when it is
//! written again, and hashes to the same.

use alpine_domain::{
    Error,
    signal::{NewSignal, hash_matches},
};
use serde_json::{Value, json, value::RawValue};

use crate::producer::{fields_of, form, intake, now_or_next, producer, signed};

const FIELDS: &[&str] = &[
    "body",
    "signal_id",
    "symbol",
    "action",
    "entry_price",
    "target_price",
    "stop_price",
    "confidence",
    "strategy",
    "asset_type",
    "timestamp",
    "sha256",
    "data_source",
    "reasoning",
    "regime",
    "consensus_agreement",
    "sources_count",
    "exit_price",
    "exit_timestamp",
    "status",
    "take_profit",
    "stop_loss",
    "verification_hash",
];

pub(crate) fn run(body: &[u8]) {
    // Nobody guesses a hash; so the body itself must be refused, unless it brings a right one.
    if let Some(signal) = submit(body) {
        says_the_same_again(&signal);
    }
    if let Some(body) = signed(body, form(body.len()))
        && let Some(signal) = submit(&body)
    {
        says_the_same_again(&signal);
    }
    let (intake, _) = intake();
    match now_or_next(intake.report_outcome(&producer(), body)) {
        // Nothing is stored under any id.
        Err(Error::NotFound("signal")) => {}
        Err(error) => assert!(fields_of(&error).iter().all(|field| FIELDS.contains(field))),
        Ok(_) => panic!("an outcome of no signal"),
    }
}

pub(crate) fn submit(body: &[u8]) -> Option<NewSignal> {
    let (intake, kept) = intake();
    match now_or_next(intake.submit(&producer(), body)) {
        Ok(submitted) => {
            let signal = kept.take().pop().expect("what is accepted is stored");
            assert_eq!(signal.external_id, submitted.external_id);
            Some(signal)
        }
        Err(error) => {
            assert!(fields_of(&error).iter().all(|field| FIELDS.contains(field)), "{error}");
            assert!(kept.take().is_empty());
            None
        }
    }
}

fn says_the_same_again(signal: &NewSignal) {
    assert_eq!(signal.content_hash, signal.computed_content_hash());
    assert!(hash_matches(&signal.hashed_fields(), &signal.hash));
    // No number is a JSON number that says something else to another reader.
    assert!((0.0..=100.0).contains(&signal.confidence.percent()));
    assert!(!signal.confidence.percent().is_sign_negative(), "{}", signal.confidence.as_str());
    assert!(signal.entry_price.as_str().parse::<f64>().expect("a number") > 0.0);
    for text in [&signal.data_source, &signal.reasoning, &signal.regime].into_iter().flatten() {
        assert!(!text.contains('\0'), "PostgreSQL takes no NUL");
    }
    assert!(!signal.timestamp.contains('\0'), "PostgreSQL takes no NUL");
    let again = submit(&written(signal)).expect("what was accepted is accepted again");
    assert_eq!(again, *signal);
}

fn written(signal: &NewSignal) -> Vec<u8> {
    let number = |digits: &str| -> Value {
        // Kept to the letter below.
        Value::String(format!("#{digits}"))
    };
    let body = json!({
        "signal_id": signal.external_id.as_str(),
        "symbol": signal.symbol.as_str(),
        "action": signal.action.as_str(),
        "entry_price": number(signal.entry_price.as_str()),
        "target_price": signal.target_price.as_ref().map(|price| number(price.as_str())),
        "stop_price": signal.stop_price.as_ref().map(|price| number(price.as_str())),
        "confidence": number(signal.confidence.as_str()),
        "strategy": signal.strategy.as_ref().map(|strategy| strategy.as_str()),
        "asset_type": signal.asset_type.as_str(),
        "timestamp": signal.timestamp,
        "sha256": signal.hash.as_str(),
        "data_source": signal.data_source,
        "reasoning": signal.reasoning,
        "regime": signal.regime,
        "consensus_agreement": signal.consensus_agreement.as_deref().map(number),
        "sources_count": signal.sources_count,
    });
    let Value::Object(members) = body else { unreachable!("an object was written") };
    let numbers =
        ["entry_price", "target_price", "stop_price", "confidence", "consensus_agreement"];
    let raw = members.into_iter().map(|(name, value)| {
        let text = match value.as_str().and_then(|text| text.strip_prefix('#')) {
            Some(digits) if numbers.contains(&name.as_str()) => digits.to_owned(),
            _ => value.to_string(),
        };
        (name, RawValue::from_string(text).expect("one JSON value"))
    });
    let raw: std::collections::BTreeMap<_, _> = raw.collect();
    serde_json::to_vec(&raw).expect("texts and numbers are JSON")
}
