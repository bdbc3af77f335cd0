//! What stands in a line, recognised by its content.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a line holds and what the server is expected to make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A signal to be stored.
    Signal,
    /// How a signal ended.
    Outcome,
    /// A body to be refused, with the field that the refusal must name.
    Malformed {
        /// That field.
        field: String,
    },
}

/// One line of the file.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// What it holds.
    pub(super) kind: Kind,
    /// What is sent, to the letter.
    pub(super) body: String,
}

/// Just enough of a line to recognise it. Values stay text: a number read and written again might not
/// be the same number, and its hash would not match.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    field: Option<String>,
    why: Option<String>,
    #[serde(borrow)]
    signal_id: Option<&'a RawValue>,
    #[serde(borrow)]
    exit_price: Option<&'a RawValue>,
}

impl Line {
    pub(super) fn recognise(number: usize, text: &str) -> Result<Self> {
        let shape: Shape<'_> = serde_json::from_str(text).context("is not a JSON object")?;
        let (kind, body) = match shape {
            Shape { body: Some(body), field: Some(field), why, .. } => {
                // A file cannot show what is not there: it says so instead.
                let body = match why.as_deref() {
                    Some("missing") => without(body, &field)?,
                    _ => body.get().to_owned(),
                };
                (Kind::Malformed { field }, body)
            }
            Shape { body: Some(body), .. } => (Kind::Signal, body.get().to_owned()),
            Shape { exit_price: Some(_), .. } => (Kind::Outcome, text.to_owned()),
            Shape { signal_id: Some(_), .. } => (Kind::Signal, text.to_owned()),
            _ => bail!("is neither a signal, an outcome, nor an edge case with a body"),
        };
        Ok(Self { number, kind, body: body.trim().to_owned() })
    }

    /// Whether it travels in batches, with others of its kind; of a malformed one the answer's status matters.
    pub(super) fn goes_in_batch(&self) -> bool {
        matches!(self.kind, Kind::Signal | Kind::Outcome)
    }

    /// The route that takes many.
    pub(super) fn batch_route(&self) -> &'static str {
        match self.kind {
            Kind::Outcome => "external-signals/sync/outcomes",
            Kind::Signal | Kind::Malformed { .. } => "external-signals/sync/batch",
        }
    }

    /// The route that takes it.
    pub(super) fn route(&self) -> &'static str {
        match self.kind {
            Kind::Outcome => "external-signals/sync/outcome",
            Kind::Signal | Kind::Malformed { .. } => "external-signals/sync/signal",
        }
    }
}

/// The object without one member; every other value stays as it was written.
fn without(body: &RawValue, field: &str) -> Result<String> {
    let mut members: BTreeMap<String, &RawValue> =
        serde_json::from_str(body.get()).context("the body to refuse is no object")?;
    members.remove(field);
    Ok(serde_json::to_string(&members)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_recognised_and_kept_to_the_letter() {
        let signal = r#"{"signal_id": "A", "entry_price": 1.0e+02, "confidence": 1E2}"#;
        let cases = [
            (signal.to_owned(), Kind::Signal, signal),
            (format!(r#"{{"form": "full", "body": {signal}}}"#), Kind::Signal, signal),
            (
                format!(r#"{{"field": "sha256", "why": "x", "body": {signal}}}"#),
                Kind::Malformed { field: "sha256".into() },
                signal,
            ),
        ];
        for (text, kind, body) in cases {
            let line = Line::recognise(3, &text).unwrap();
            assert_eq!((line.kind, line.body.as_str(), line.number), (kind, body, 3));
        }
        let outcome = r#"{"signal_id": "A", "exit_price": 0.10, "exit_timestamp": "x"}"#;
        let line = Line::recognise(1, outcome).unwrap();
        assert_eq!((line.kind, line.body.as_str()), (Kind::Outcome, outcome));
    }

    #[test]
    fn a_field_that_is_called_missing_is_left_out() {
        let text = r#"{"field": "b", "why": "missing", "body": {"b": "x", "a": 1.50e0}}"#;
        assert_eq!(Line::recognise(1, text).unwrap().body, r#"{"a":1.50e0}"#);
    }

    #[test]
    fn other_content_is_refused() {
        for text in ["", "[]", "{}", "42", r#"{"price": 1}"#] {
            assert!(Line::recognise(1, text).is_err(), "{text}");
        }
    }
}
