//! Parses what a producer sends, field by field, and checks it in every respect.

use std::{fmt::Write as _, time::Duration};

use super::field_parser::FieldParser;
use crate::{
    Error, Result, Timestamp,
    json::JsonObject,
    producer::Producer,
    signal::{
        Action, HashForm, NewOutcome, NewSignal, Origin, Price, SignalStatus, VerificationHash,
        canonical_text, hash_matches, hashed::HashedFields, number::Digits,
    },
    time::InvalidTimestamp,
};

/// How far a producer's clock may be ahead of ours.
const MAX_AHEAD: Duration = Duration::from_hours(1);

/// What a signal may say, by both of the names that some members go by.
pub const SIGNAL_MEMBERS: [&str; 19] = [
    "signal_id",
    "symbol",
    "action",
    "entry_price",
    "target_price",
    "take_profit",
    "stop_price",
    "stop_loss",
    "confidence",
    "strategy",
    "asset_type",
    "timestamp",
    "sha256",
    "verification_hash",
    "data_source",
    "reasoning",
    "regime",
    "consensus_agreement",
    "sources_count",
];
/// What may be said of its end.
pub const OUTCOME_MEMBERS: [&str; 4] = ["signal_id", "exit_price", "exit_timestamp", "status"];

/// When a signal is received, and how late it may be to be live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    pub(super) now: Timestamp,
    pub(super) live_within: Duration,
}

/// Checks one signal in every respect.
pub(super) fn parse_signal(
    object: &JsonObject,
    producer: &Producer,
    received: Receipt,
) -> Result<NewSignal> {
    let mut signal = read(object, producer, received, |fields| {
        fields.text_with_alias("sha256", "verification_hash")
    })?;
    verify(&mut signal)?;
    Ok(signal)
}

/// Checks one signal in every respect but its hash, which need not be there.
pub(super) fn parse_unsigned(
    object: &JsonObject,
    producer: &Producer,
    received: Receipt,
) -> Result<NewSignal> {
    read(object, producer, received, |_| Some(VerificationHash::of("")))
}

fn read(
    object: &JsonObject,
    producer: &Producer,
    received: Receipt,
    hash: impl FnOnce(&mut FieldParser<'_>) -> Option<VerificationHash>,
) -> Result<NewSignal> {
    let mut fields = FieldParser::new(object);
    let external_id = fields.required_text("signal_id");
    let symbol = fields.required_text("symbol");
    let action = fields.required_text("action");
    let entry_price = fields.required_number("entry_price");
    let target_price = fields.number_with_alias("target_price", "take_profit");
    let stop_price = fields.number_with_alias("stop_price", "stop_loss");
    let confidence = fields.required_number("confidence");
    let strategy = fields.optional_text("strategy");
    let asset_type = fields.optional_text("asset_type");
    let instant = parse_instant(&mut fields, "timestamp", received.now);
    let hash = hash(&mut fields);
    let data_source = fields.prose("data_source", 100);
    let reasoning = fields.prose("reasoning", 4_000);
    let regime = fields.prose("regime", 100);
    let consensus_agreement =
        fields.optional_number::<Digits>("consensus_agreement").map(|digits| digits.0);
    let sources_count = parse_count(&mut fields, "sources_count");
    if let (Some(action), Some(entry)) = (action, &entry_price) {
        check_sides(&mut fields, action, entry, target_price.as_ref(), stop_price.as_ref());
    }
    let (
        Some(external_id),
        Some(symbol),
        Some(action),
        Some(entry_price),
        Some(confidence),
        Some(instant),
        Some(hash),
        true,
    ) = (
        external_id,
        symbol,
        action,
        entry_price,
        confidence,
        instant,
        hash,
        fields.refusals.is_empty(),
    )
    else {
        fields.refusals.into_result()?;
        return Err(Error::internal("a field was neither read nor refused"));
    };
    Ok(NewSignal {
        producer: producer.id,
        producer_name: producer.name.clone(),
        is_simulated: producer.is_simulated,
        origin: Origin::of_signal(
            producer.is_simulated,
            instant.1,
            received.now,
            received.live_within,
        ),
        external_id,
        symbol,
        action,
        entry_price,
        target_price,
        stop_price,
        confidence,
        strategy,
        asset_type: match asset_type {
            Some(asset_type) => asset_type,
            None => "stock".parse().map_err(Error::internal)?,
        },
        data_source,
        reasoning,
        regime,
        consensus_agreement,
        sources_count,
        timestamp: instant.0,
        signalled_at: instant.1,
        content_hash: hash,
        hash: VerificationHash::of(""),
        created_at: received.now,
    })
}

/// Checks the hash that was sent and keeps, beside it, the hash of the full form.
fn verify(signal: &mut NewSignal) -> Result<()> {
    let sent = signal.content_hash.clone();
    if !hash_matches(&signal.hashed_fields(), &sent) {
        return Err(Error::malformed("sha256", mismatch(&signal.hashed_fields(), &sent)));
    }
    signal.content_hash = signal.computed_content_hash();
    signal.hash = sent;
    Ok(())
}

/// What tells a producer why a hash is another one: the texts that were hashed here, each with its hash.
fn mismatch(fields: &HashedFields<'_>, sent: &VerificationHash) -> String {
    let mut told = String::from(
        "does not match the content: compare the text that you hash with those that Alpine hashed, one of which is enough",
    );
    let mut known: Vec<String> = Vec::new();
    for form in HashForm::ALL {
        let text = canonical_text(fields, form);
        // Where nothing is missing and every number has a point, the forms are one.
        if !known.contains(&text) {
            let hash = VerificationHash::of(&text);
            // Writing to a String cannot fail.
            let _ = write!(told, "\n{text} -> {hash} ({})", form.meaning());
            known.push(text);
        }
    }
    told + "\n" + sent.as_str() + " was sent"
}

/// A producer's time: to the letter, and as an instant not more than an hour ahead.
fn parse_instant(
    fields: &mut FieldParser<'_>,
    field: &'static str,
    now: Timestamp,
) -> Option<(String, Timestamp)> {
    let instant = fields.required_text::<WrittenTime>(field)?;
    if instant.at > now.later(MAX_AHEAD) {
        fields.refusals.add(field, "lies more than an hour in the future");
        return None;
    }
    Some((instant.letters, instant.at))
}

/// A time with the letters that it was written in.
struct WrittenTime {
    letters: String,
    at: Timestamp,
}

impl std::str::FromStr for WrittenTime {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 64 {
            return Err(InvalidTimestamp::Unreadable);
        }
        Ok(Self { letters: text.to_owned(), at: Timestamp::parse_rfc3339(text)? })
    }
}

/// A status that a producer may report: any but `open`.
struct ReportedStatus(SignalStatus);

impl std::str::FromStr for ReportedStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(SignalStatus::Open) | Err(_) => {
                Err("must be one of: target_hit stop_hit closed expired")
            }
            Ok(status) => Ok(Self(status)),
        }
    }
}

fn parse_count(fields: &mut FieldParser<'_>, field: &'static str) -> Option<i64> {
    let digits = fields.number(field)?;
    let count = digits.parse::<u32>().map_err(|_| "must be a whole number, 0 or more");
    fields.refusals.check(field, count).map(i64::from)
}

/// A target lies on the winning side of the entry, a stop on the other.
fn check_sides(
    fields: &mut FieldParser<'_>,
    action: Action,
    entry: &Price,
    target: Option<&Price>,
    stop: Option<&Price>,
) {
    let (winning, losing, above) = match action {
        Action::Buy => ("above", "below", true),
        Action::Sell => ("below", "above", false),
    };
    let beyond = |price: &Price, up: bool| {
        if up { price.exact() > entry.exact() } else { price.exact() < entry.exact() }
    };
    if target.is_some_and(|target| !beyond(target, above)) {
        fields
            .refusals
            .add("target_price", format!("of a {action} must lie {winning} its entry_price"));
    }
    if stop.is_some_and(|stop| !beyond(stop, !above)) {
        fields
            .refusals
            .add("stop_price", format!("of a {action} must lie {losing} its entry_price"));
    }
}

/// Checks one outcome in itself.
pub(super) fn parse_outcome(
    object: &JsonObject,
    producer: &Producer,
    now: Timestamp,
) -> Result<NewOutcome> {
    let mut fields = FieldParser::new(object);
    let external_id = fields.required_text("signal_id");
    let exit_price = fields.required_number("exit_price");
    let instant = parse_instant(&mut fields, "exit_timestamp", now);
    let status = fields.optional_text::<ReportedStatus>("status").map(|status| status.0);
    let (Some(external_id), Some(exit_price), Some(instant), true) =
        (external_id, exit_price, instant, fields.refusals.is_empty())
    else {
        fields.refusals.into_result()?;
        return Err(Error::internal("a field was neither read nor refused"));
    };
    Ok(NewOutcome {
        producer: producer.id,
        external_id,
        exit_price,
        exit_timestamp: instant.0,
        exited_at: instant.1,
        status,
        recorded_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::Member, producer::ProducerId};

    const EDGE: &str = include_str!("../../../tests/data/edge-signals.jsonl");
    const MALFORMED: &str = include_str!("../../../tests/data/malformed-signals.jsonl");
    const ARGO: &str = include_str!("../../../tests/data/argo-signals.jsonl");

    fn argo() -> Producer {
        Producer {
            id: ProducerId::new(1),
            name: "argo".parse().unwrap(),
            is_simulated: false,
            is_active: true,
            created_at: now(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap()
    }

    fn received() -> Receipt {
        Receipt { now: now(), live_within: Duration::from_hours(24) }
    }

    fn object(text: &str) -> JsonObject {
        JsonObject::parse(text.as_bytes()).unwrap()
    }

    /// A line of a file of cases; the body to the letter.
    #[derive(serde::Deserialize)]
    struct Case {
        #[serde(default)]
        field: String,
        #[serde(default)]
        why: String,
        body: Box<serde_json::value::RawValue>,
    }

    fn cases(text: &str) -> impl Iterator<Item = Case> {
        text.lines().map(|line| serde_json::from_str(line).unwrap())
    }

    fn digits(body: &JsonObject, name: &str) -> String {
        match body.member(name) {
            Some(Member::Number(digits)) => digits.to_owned(),
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn every_edge_case_is_read_with_its_own_digits() {
        for case in cases(EDGE) {
            let body = object(case.body.get());
            let signal = parse_signal(&body, &argo(), received()).unwrap();
            assert_eq!(signal.entry_price.as_str(), digits(&body, "entry_price"));
            assert_eq!(signal.confidence.as_str(), digits(&body, "confidence"));
            assert_eq!(body.member("timestamp"), Some(Member::Text(signal.timestamp)));
        }
    }

    /// A signal with one more member.
    fn with(name: &str, text: &str) -> Result<NewSignal> {
        let line = ARGO.lines().next().unwrap();
        let member = serde_json::to_string(text).unwrap();
        let (whole, _) = line.rsplit_once('}').unwrap();
        parse_signal(&object(&format!(r#"{whole}, "{name}": {member}}}"#)), &argo(), received())
    }

    #[test]
    fn prose_has_so_many_characters_at_most_and_no_nul() {
        for (name, max) in [("data_source", 100), ("reasoning", 4_000), ("regime", 100)] {
            let told = |text: &str| with(name, text).err().map(|error| error.to_string());
            assert_eq!(told(&"é".repeat(max)), None, "{name}");
            let reason =
                format!("invalid input: {name}: must have at most {max} characters and no NUL");
            for text in ["é".repeat(max + 1), "é".repeat(max + 2), "a\0b".to_owned()] {
                assert_eq!(told(&text), Some(reason.clone()), "{name} of {}", text.len());
            }
        }
    }

    #[test]
    fn a_written_time_has_64_characters_at_most() {
        let written = |digits: usize| format!("2025-01-15T10:30:00.{}Z", "1".repeat(digits));
        let read = |text: &str| text.parse::<WrittenTime>().map(|time| time.letters);
        assert_eq!(read(&written(43)), Ok(written(43)));
        for digits in [44, 45] {
            assert_eq!(read(&written(digits)), Err(InvalidTimestamp::Unreadable), "{digits}");
        }
    }

    #[test]
    fn members_that_are_read_are_known() {
        for case in cases(EDGE) {
            let body = object(case.body.get());
            let unknown: Vec<&str> =
                body.names().filter(|name| !SIGNAL_MEMBERS.contains(name)).collect();
            assert_eq!(unknown, Vec::<&str>::new());
        }
    }

    #[test]
    fn every_real_signal_is_read() {
        let read = |line: &str| parse_signal(&object(line), &argo(), received()).is_ok();
        assert_eq!(ARGO.lines().filter(|line| read(line)).count(), 1_624);
    }

    #[test]
    fn every_malformed_case_is_refused_under_its_field() {
        for case in cases(MALFORMED) {
            let mut body = case.body.get().to_owned();
            if case.why == "missing" {
                body = body.replace(&format!("\"{}\":", case.field), "\"left_out\":");
            }
            let refused = parse_signal(&object(&body), &argo(), received());
            let Err(Error::Invalid(errors) | Error::Malformed(errors)) = refused else {
                panic!("{body} was not refused");
            };
            let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
            assert_eq!(fields, [case.field.as_str()], "{body}");
        }
    }

    #[test]
    fn both_hash_forms_name_the_same_content() {
        let of = |id: &str| {
            let case = cases(EDGE).find(|case| case.body.get().contains(id)).unwrap();
            parse_signal(&object(case.body.get()), &argo(), received()).unwrap()
        };
        let full = of("EDGE-011");
        assert_eq!(
            full.hash,
            VerificationHash::of(&canonical_text(&full.hashed_fields(), HashForm::Full))
        );
        let old = of("EDGE-013");
        assert_eq!(
            old.hash,
            VerificationHash::of(&canonical_text(&old.hashed_fields(), HashForm::Old))
        );
    }

    fn refused(result: Result<impl std::fmt::Debug>) -> Vec<(&'static str, String)> {
        match result {
            Err(Error::Invalid(errors) | Error::Malformed(errors)) => {
                errors.into_iter().map(|error| (error.field, error.message)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_status_that_may_be_reported_is_offered() {
        for status in ["open", "won", ""] {
            let text = format!(
                r#"{{"signal_id": "S", "exit_price": 0, "exit_timestamp": "2025-01-15T10:30:00Z", "status": "{status}"}}"#
            );
            let expected = "must be one of: target_hit stop_hit closed expired".to_owned();
            let errors = refused(parse_outcome(&object(&text), &argo(), now()));
            assert_eq!(errors, [("status", expected)], "{status}");
        }
    }

    #[test]
    fn a_hash_that_does_not_match_is_answered_with_what_was_hashed() {
        let text = r#"{"signal_id": "S", "symbol": "AAPL", "action": "BUY", "entry_price": 100, "confidence": 95.5,
            "timestamp": "2025-01-15T10:30:00+00:00", "sha256": "0000000000000000000000000000000000000000000000000000000000000000"}"#;
        let errors = refused(parse_signal(&object(text), &argo(), received()));
        let [("sha256", told)] = errors.as_slice() else { panic!("{errors:?}") };
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 5, "{told}");
        assert!(lines[4].starts_with("0000"), "{told}");
        for (line, number, null) in
            [(lines[1], "100.0", true), (lines[2], "100", false), (lines[3], "100", true)]
        {
            let (text, rest) = line.split_once(" -> ").unwrap();
            assert!(text.contains(&format!(r#""entry_price": {number}, "#)), "{line}");
            assert_eq!(text.contains(r#""stop_price": null"#), null, "{line}");
            assert!(rest.starts_with(VerificationHash::of(text).as_str()), "{line}");
        }
    }

    #[test]
    fn every_refused_field_is_named_at_once() {
        let Err(Error::Invalid(errors)) = parse_signal(&object("{}"), &argo(), received()) else {
            panic!()
        };
        let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
        let required =
            ["signal_id", "symbol", "action", "entry_price", "confidence", "timestamp", "sha256"];
        assert_eq!(fields, required);
    }
}
