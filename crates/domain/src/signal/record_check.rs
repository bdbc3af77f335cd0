//! Hashes a row of an export again, from what stands in the row alone.

use std::collections::BTreeMap;

use super::{
    Action, HashForm, Origin, OutcomeStatement, SignalStatement, VerificationHash, canonical_text,
    hashed::{HashedFields, HashedValue},
    pnl_percent,
};
use crate::Timestamp;

/// The columns of an outcome; those of a late one have `late_` in front.
const OUTCOME_COLUMNS: [&str; 6] =
    ["exit_price", "pnl_pct", "closed_at", "exit_timestamp", "outcome_received_at", "outcome_hash"];
const LATE_COLUMNS: [&str; 7] = [
    "late_status",
    "late_exit_price",
    "late_pnl_pct",
    "late_closed_at",
    "late_exit_timestamp",
    "late_received_at",
    "late_outcome_hash",
];

/// A signal as a file has it: the letters of each column. What is missing or empty has none.
#[derive(Debug, Clone, Default)]
pub struct ExportedRow(BTreeMap<String, String>);

/// Something in a row that the rest of it contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The column that is told of.
    pub column: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl FromIterator<(String, String)> for ExportedRow {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(columns: I) -> Self {
        Self(columns.into_iter().filter(|(_, letters)| !letters.is_empty()).collect())
    }
}

impl ExportedRow {
    /// The letters of a column, if there are any.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    fn letters(&self, column: &str) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// What the row contradicts itself in; nothing if every hash and every figure comes out again.
    pub fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        self.check_producers_hash(&mut found);
        let statement = self.statement();
        compare(&mut found, "record_hash", self.get("record_hash"), &statement.record().hash);
        self.check_end(&mut found);
        self.check_late(&mut found);
        self.check_origins(&mut found);
        found
    }

    fn check_producers_hash(&self, found: &mut Vec<Difference>) {
        let text = |column| self.get(column).map_or(HashedValue::Missing, HashedValue::Text);
        let number = |column| self.get(column).map_or(HashedValue::Missing, HashedValue::Number);
        let fields = HashedFields([
            ("action", text("action")),
            ("confidence", number("confidence")),
            ("entry_price", number("entry_price")),
            ("signal_id", text("signal_id")),
            ("stop_price", number("stop_loss")),
            ("strategy", text("strategy")),
            ("symbol", text("symbol")),
            ("target_price", number("take_profit")),
            ("timestamp", text("timestamp")),
        ]);
        let hash = |form| VerificationHash::of(&canonical_text(&fields, form));
        let told = self.letters("hash");
        if !HashForm::ALL.into_iter().any(|form| hash(form).as_str() == told) {
            compare(found, "hash", self.get("hash"), &hash(HashForm::Full));
        }
    }

    fn statement(&self) -> SignalStatement<'_> {
        SignalStatement {
            action: self.letters("action"),
            asset_type: self.letters("asset_type"),
            confidence: self.letters("confidence"),
            entry_price: self.letters("entry_price"),
            hash: self.letters("hash"),
            id: self.letters("id"),
            producer: self.letters("producer"),
            reasoning: self.get("reasoning"),
            received_at: self.letters("received_at"),
            signal_id: self.letters("signal_id"),
            simulated: self.get("simulated") == Some("true"),
            stop_price: self.get("stop_loss"),
            strategy: self.get("strategy"),
            symbol: self.letters("symbol"),
            target_price: self.get("take_profit"),
            timestamp: self.letters("timestamp"),
        }
    }

    fn check_end(&self, found: &mut Vec<Difference>) {
        let status = self.letters("status");
        let has_end = OUTCOME_COLUMNS.iter().any(|column| self.get(column).is_some());
        if status == "open" {
            if has_end {
                found.push(differs("status", "says open beside an outcome"));
            }
            return;
        }
        if self.get("outcome_hash").is_none() {
            found.push(differs("outcome_hash", "is missing, and the signal is not open"));
            return;
        }
        let outcome = OutcomeStatement {
            closed_at: self.letters("closed_at"),
            exit_price: self.get("exit_price"),
            exit_timestamp: self.get("exit_timestamp"),
            late: false,
            pnl_pct: self.get("pnl_pct"),
            received_at: self.letters("outcome_received_at"),
            signal: self.letters("record_hash"),
            status,
        };
        compare(found, "outcome_hash", self.get("outcome_hash"), &outcome.record().hash);
        self.check_result(found, "exit_price", "pnl_pct");
    }

    fn check_late(&self, found: &mut Vec<Difference>) {
        if LATE_COLUMNS.iter().all(|column| self.get(column).is_none()) {
            return;
        }
        let outcome = OutcomeStatement {
            closed_at: self.letters("late_closed_at"),
            exit_price: self.get("late_exit_price"),
            exit_timestamp: self.get("late_exit_timestamp"),
            late: true,
            pnl_pct: self.get("late_pnl_pct"),
            received_at: self.letters("late_received_at"),
            signal: self.letters("record_hash"),
            status: self.letters("late_status"),
        };
        let told = self.get("late_outcome_hash");
        compare(found, "late_outcome_hash", told, &outcome.record().hash);
        self.check_result(found, "late_exit_price", "late_pnl_pct");
    }

    /// Profit or loss, computed again from the prices.
    fn check_result(&self, found: &mut Vec<Difference>, exit: &str, pnl: &'static str) {
        let Some(exit) = self.get(exit) else { return };
        let computed = || {
            let action: Action = self.get("action")?.parse().ok()?;
            let entry = self.get("entry_price")?.parse().ok()?;
            pnl_percent(action, &entry, &exit.parse().ok()?).ok()
        };
        match computed() {
            Some(computed) if self.get(pnl) != Some(&computed.to_string()) => {
                let told = self.get(pnl).unwrap_or("nothing");
                found.push(differs(pnl, format!("says {told}, and the prices give {computed}")));
            }
            Some(_) => {}
            None => found.push(differs(pnl, "cannot be computed from the prices")),
        }
    }

    /// What follows from other columns. Whether a signal was received live does not: how late one may be is the
    /// operator's setting.
    fn check_origins(&self, found: &mut Vec<Difference>) {
        let is_simulated = self.get("simulated") == Some("true");
        let Some(origin) = self.letters("origin").parse::<Origin>().ok() else {
            found.push(differs("origin", "is none of live, backfilled, simulated"));
            return;
        };
        if (origin == Origin::Simulated) != is_simulated {
            found.push(differs("origin", "contradicts simulated"));
        }
        let instant = |column| Timestamp::parse_rfc3339(self.get(column)?).ok();
        if let (Some(received), Some(closed)) = (instant("received_at"), instant("closed_at")) {
            let expected = origin.of_outcome(received, closed);
            if self.get("outcome_origin") != Some(expected.as_str()) {
                let reason = format!("differs from {expected}, which origin and the times give");
                found.push(differs("outcome_origin", reason));
            }
        }
        if self.get("created_at").is_some_and(|at| Some(at) != self.get("received_at")) {
            found.push(differs("created_at", "differs from received_at"));
        }
    }
}

fn differs(column: &'static str, reason: impl Into<String>) -> Difference {
    Difference { column, reason: reason.into() }
}

fn compare(
    found: &mut Vec<Difference>,
    column: &'static str,
    told: Option<&str>,
    computed: &VerificationHash,
) {
    if told != Some(computed.as_str()) {
        let told = told.unwrap_or("nothing");
        found.push(differs(column, format!("says {told}, and the row gives {computed}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of the golden texts.
    const ROW: [(&str, &str); 24] = [
        ("id", "42"),
        ("symbol", "AAPL"),
        ("action", "BUY"),
        ("entry_price", "175.5"),
        ("confidence", "95.5"),
        ("timestamp", "2025-01-15T10:30:00+00:00"),
        ("signal_id", "SIG-1"),
        ("producer", "argo"),
        ("received_at", "2025-01-15T10:30:02.5Z"),
        ("origin", "live"),
        ("status", "target_hit"),
        ("strategy", "weighted_consensus_v6"),
        ("asset_type", "stock"),
        ("take_profit", "184.25"),
        ("stop_loss", "171.0"),
        ("reasoning", "naïve 🚀"),
        ("exit_price", "184.25"),
        ("pnl_pct", "4.98575499"),
        ("closed_at", "2025-01-20T15:00:00Z"),
        ("exit_timestamp", "2025-01-20T10:00:00-05:00"),
        ("outcome_received_at", "2025-01-20T15:00:01Z"),
        ("outcome_origin", "live"),
        ("hash", "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9"),
        ("record_hash", "c132bd88050232d7f23d2752715ad51c948c7e6839b727daf4d4f098a42bdfc6"),
    ];
    const OUTCOME_HASH: &str = "6da145ecb50b9f69688c4b3769e342462ba36ff2325d8348d8c98d8ba4cb3670";
    const LATE_HASH: &str = "8ad610282c0671017a0d6954826f575d6e7ee469e96c62a3ce2f0039ca8c146a";

    fn row_with(changed: &[(&str, &str)]) -> ExportedRow {
        let owned = |(name, letters): &(&str, &str)| ((*name).to_owned(), (*letters).to_owned());
        let all = ROW.iter().chain([&("outcome_hash", OUTCOME_HASH)]).chain(changed);
        let merged: BTreeMap<String, String> = all.map(owned).collect();
        merged.into_iter().collect()
    }

    fn named(changed: &[(&str, &str)]) -> Vec<&'static str> {
        row_with(changed).differences().into_iter().map(|found| found.column).collect()
    }

    #[test]
    fn a_row_as_it_was_exported_differs_in_nothing() {
        assert_eq!(named(&[]), [""; 0]);
        assert_eq!(
            named(&[("simulated", "false"), ("created_at", "2025-01-15T10:30:02.5Z")]),
            [""; 0]
        );
    }

    #[test]
    fn whatever_is_changed_is_told() {
        let other = &"a".repeat(64);
        let cases: [(&str, &str, &[&str]); 23] = [
            ("entry_price", "175.4", &["hash", "record_hash", "pnl_pct"]),
            ("entry_price", "175.50", &["record_hash"]),
            ("timestamp", "2025-01-15T10:29:00+00:00", &["hash", "record_hash"]),
            ("take_profit", "", &["hash", "record_hash"]),
            ("symbol", "MSFT", &["hash", "record_hash"]),
            ("signal_id", "SIG-2", &["hash", "record_hash"]),
            ("hash", other, &["hash", "record_hash"]),
            ("record_hash", other, &["record_hash", "outcome_hash"]),
            ("received_at", "2025-01-15T10:30:02.4Z", &["record_hash"]),
            ("id", "43", &["record_hash"]),
            ("producer", "zeus", &["record_hash"]),
            ("reasoning", "", &["record_hash"]),
            ("simulated", "true", &["record_hash", "origin"]),
            ("origin", "simulated", &["origin", "outcome_origin"]),
            ("outcome_origin", "backfilled", &["outcome_origin"]),
            ("status", "closed", &["outcome_hash"]),
            ("status", "open", &["status"]),
            ("exit_price", "190", &["outcome_hash", "pnl_pct"]),
            ("exit_price", "184.250", &["outcome_hash"]),
            ("closed_at", "2025-01-20T15:00:00.1Z", &["outcome_hash"]),
            ("exit_timestamp", "2025-01-20T15:00:00Z", &["outcome_hash"]),
            ("outcome_hash", "", &["outcome_hash"]),
            ("created_at", "2025-01-15T10:30:02Z", &["created_at"]),
        ];
        for (column, letters, expected) in cases {
            assert_eq!(named(&[(column, letters)]), expected, "{column}={letters}");
        }
        let at = "2025-01-20T16:00:00Z";
        assert_eq!(named(&[("outcome_received_at", at)]), ["outcome_hash"]);
        assert_eq!(named(&[("pnl_pct", "5")]), ["outcome_hash", "pnl_pct"]);
    }

    #[test]
    fn a_late_outcome_is_hashed_as_one() {
        let late = [
            ("late_status", "target_hit"),
            ("late_exit_price", "184.25"),
            ("late_pnl_pct", "4.98575499"),
            ("late_closed_at", "2025-01-20T15:00:00Z"),
            ("late_exit_timestamp", "2025-01-20T10:00:00-05:00"),
            ("late_received_at", "2025-01-20T15:00:01Z"),
            ("late_outcome_hash", LATE_HASH),
        ];
        assert_eq!(named(&late), [""; 0]);
        for (column, _) in late {
            let removed: Vec<_> = late.iter().copied().chain([(column, "")]).collect();
            let found = named(&removed);
            assert!(found.contains(&"late_outcome_hash"), "{column}: {found:?}");
        }
        // A result that its prices do not give is told, whoever hashed it.
        let cases: [(&str, &str, &[&str]); 6] = [
            ("late_status", "closed", &["late_outcome_hash"]),
            ("late_exit_price", "190", &["late_outcome_hash", "late_pnl_pct"]),
            ("late_pnl_pct", "5", &["late_outcome_hash", "late_pnl_pct"]),
            ("late_closed_at", "2025-01-20T15:00:00.1Z", &["late_outcome_hash"]),
            ("late_exit_timestamp", "2025-01-20T15:00:00Z", &["late_outcome_hash"]),
            ("late_received_at", "2025-01-20T16:00:00Z", &["late_outcome_hash"]),
        ];
        for (column, letters, expected) in cases {
            let changed: Vec<_> = late.iter().copied().chain([(column, letters)]).collect();
            assert_eq!(named(&changed), expected, "{column}={letters}");
        }
        let hash_alone = [("late_outcome_hash", LATE_HASH)];
        assert_eq!(named(&hash_alone), ["late_outcome_hash"]);
    }
}
