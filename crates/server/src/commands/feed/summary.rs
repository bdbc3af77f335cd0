//! Counts what became of the lines and remembers the first few that went wrong.

use std::{fmt::Write as _, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    answers::{Answer, BatchLine},
    lines::{Kind, Line},
};

/// Reasons that are shown at most.
const SHOWN: usize = 10;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    stored: u64,
    duplicates: u64,
    refused_as_expected: u64,
    conflicts: u64,
    unexpected: u64,
    reasons: Vec<String>,
}

impl Summary {
    /// Notes the answer to a line that was sent alone.
    pub(super) fn judge(&mut self, line: &Line, answer: &Answer) {
        let problem = answer.body["type"].as_str().unwrap_or_default();
        match (&line.kind, answer.status) {
            (Kind::Malformed { field }, status) => {
                self.judge_malformed(line, field, status, answer);
            }
            (Kind::Signal, StatusCode::CONFLICT) if problem.ends_with("duplicate-signal") => {
                self.duplicates += 1;
            }
            (Kind::Outcome, StatusCode::OK) if is_repetition(&answer.body) => {
                self.duplicates += 1;
            }
            (Kind::Signal, StatusCode::CREATED) | (Kind::Outcome, StatusCode::OK) => {
                self.stored += 1;
            }
            (_, StatusCode::CONFLICT) => {
                self.conflicts += 1;
                self.reason(line, &told(answer));
            }
            _ => {
                self.unexpected += 1;
                self.reason(line, &told(answer));
            }
        }
    }

    /// Notes the answer to a line of a batch.
    pub(super) fn judge_batch_line(&mut self, line: &Line, result: &BatchLine) {
        match result.status.as_str() {
            "stored" | "closed" | "late" => self.stored += 1,
            "duplicate" => self.duplicates += 1,
            "conflict" => {
                self.conflicts += 1;
                self.reason(line, "something else is stored under this id");
            }
            _ => {
                self.unexpected += 1;
                let errors: Vec<String> = result
                    .errors
                    .iter()
                    .map(|error| format!("{}: {}", error.field, error.message))
                    .collect();
                self.reason(line, &errors.join("; "));
            }
        }
    }

    /// Notes lines that were refused and of which no more was said.
    pub(super) fn judge_untold(&mut self, count: usize) {
        self.unexpected += count as u64;
    }

    fn judge_malformed(&mut self, line: &Line, field: &str, status: StatusCode, answer: &Answer) {
        let names_field = answer.body["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().any(|error| error["field"] == field));
        if status.is_client_error() && names_field {
            self.refused_as_expected += 1;
        } else {
            self.unexpected += 1;
            let what = format!("should be refused for `{field}`, but: {}", told(answer));
            self.reason(line, &what);
        }
    }

    fn reason(&mut self, line: &Line, what: &str) {
        if self.reasons.len() < SHOWN {
            self.reasons.push(format!("line {}: {what}", line.number));
        }
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.conflicts == 0 && self.unexpected == 0
    }

    pub(super) fn report(&self, lines: usize, elapsed: Duration) -> String {
        let mut text = format!(
            "{lines} lines in {:.1} s: {} stored, {} duplicates, {} conflicts, {} refused as expected, \
             {} refused or accepted unexpectedly\n",
            elapsed.as_secs_f32(),
            self.stored,
            self.duplicates,
            self.conflicts,
            self.refused_as_expected,
            self.unexpected
        );
        for reason in &self.reasons {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {reason}");
        }
        let wrong = self.conflicts + self.unexpected;
        let shown = u64::try_from(self.reasons.len()).unwrap_or(u64::MAX);
        if wrong > shown {
            let _ = writeln!(text, "  … and {} more", wrong - shown);
        }
        text
    }
}

/// An outcome that is stored already is answered 200 as well; only the message tells.
fn is_repetition(body: &Value) -> bool {
    body["message"].as_str().is_some_and(|message| message.contains("before, in the same way"))
}

/// An answer in one line.
fn told(answer: &Answer) -> String {
    let fields = answer.body["errors"].as_array().map(|errors| {
        errors
            .iter()
            .map(|error| {
                let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
                format!("{}: {}", text("field"), text("message"))
            })
            .collect::<Vec<_>>()
            .join("; ")
    });
    let detail = fields
        .filter(|fields| !fields.is_empty())
        .or_else(|| answer.body["detail"].as_str().map(str::to_owned))
        .unwrap_or_else(|| match &answer.body {
            Value::Null => String::new(),
            body => body.to_string(),
        });
    format!("{} {detail}", answer.status.as_u16())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(kind: Kind) -> Line {
        Line { number: 4, kind, body: String::new() }
    }

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body }
    }

    #[test]
    fn a_refusal_must_name_the_field() {
        let bad = line(Kind::Malformed { field: "timestamp".into() });
        let errors = |field: &str| json!({"errors": [{"field": field, "message": "m"}]});
        let mut summary = Summary::default();
        summary.judge(&bad, &answer(422, errors("timestamp")));
        assert!(summary.is_as_expected());
        summary.judge(&bad, &answer(422, errors("symbol")));
        summary.judge(&bad, &answer(201, json!({})));
        assert_eq!((summary.refused_as_expected, summary.unexpected), (1, 2));
        let report = summary.report(3, Duration::from_secs(1));
        assert!(report.contains("line 4: should be refused for `timestamp`"), "{report}");
    }

    #[test]
    fn duplicates_are_fine_and_conflicts_are_not() {
        let mut summary = Summary::default();
        let duplicate = json!({"type": "https://x/problems/duplicate-signal"});
        summary.judge(&line(Kind::Signal), &answer(409, duplicate));
        summary.judge(&line(Kind::Signal), &answer(201, json!({})));
        assert!(summary.is_as_expected());
        let conflict = json!({"type": "https://x/problems/signal-conflict", "detail": "d"});
        summary.judge(&line(Kind::Signal), &answer(409, conflict));
        assert_eq!((summary.stored, summary.duplicates, summary.conflicts), (1, 1, 1));
        assert!(!summary.is_as_expected());
    }

    #[test]
    fn reasons_are_bounded() {
        let mut summary = Summary::default();
        for _ in 0..25 {
            summary.judge(&line(Kind::Signal), &answer(422, json!({"detail": "no"})));
        }
        let report = summary.report(25, Duration::ZERO);
        assert!(report.contains("… and 15 more"), "{report}");
    }
}
