//! The plans that SQLite follows, and how many rows its statements look at.
//!
//! It counts neither rows nor pages for anybody. But statements that may read much ask by a function whether they are
//! still awaited, of each row that they look at: here that function counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, define_sql_function,
    sql_query, sql_types::Text,
};
use serde_json::Value;

use super::{
    cost::{Cost, of_sqlite},
    sent::Sent,
};

define_sql_function! {
    /// Whether anybody waits for the statement.
    fn alpine_awaited() -> Bool;
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What each statement costs. Those that read are run once more, with their values.
pub(super) fn costs(url: &str, sent: Sent) -> Result<Vec<(String, Cost)>> {
    let path = url.strip_prefix("sqlite:").context("not SQLite")?;
    let mut conn = SqliteConnection::establish(path)?;
    let rows = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&rows);
    alpine_awaited_utils::register_nondeterministic_impl(&conn, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        true
    })?;
    let mut costs = Vec::new();
    for (statement, values) in sent {
        let verb = statement.split(' ').next().unwrap_or_default();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb) {
            continue;
        }
        let lines: Vec<Line> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut conn)
            .with_context(|| statement.clone())?;
        let lines: Vec<String> = lines.into_iter().map(|line| line.detail).collect();
        let mut cost = of_sqlite(&lines);
        if verb == "SELECT" && statement.contains("alpine_awaited()") {
            rows.store(0, Ordering::Relaxed);
            let filled = with_values(&statement, &values)?;
            sql_query(filled).execute(&mut conn).with_context(|| statement.clone())?;
            cost.rows = rows.load(Ordering::Relaxed);
        }
        costs.push((statement, cost));
    }
    Ok(costs)
}

/// The statement with values in the place of its question marks.
fn with_values(statement: &str, values: &str) -> Result<String> {
    // No JSON: what is missing, and what is above all numbers.
    let values = values.replace("None", "null").replace(" inf", " \"above all\"");
    let values: Vec<Value> = serde_json::from_str(&values).with_context(|| values.clone())?;
    let mut parts = statement.split('?');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for (value, part) in values.iter().zip(parts) {
        let literal = match value {
            Value::String(text) if text == "above all" => "9e999".to_owned(),
            Value::String(text) => format!("'{}'", text.replace('\'', "''")),
            other => other.to_string(),
        };
        filled.push_str(&literal);
        filled.push_str(part);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_place_of_question_marks() {
        let filled = with_values("a = ? AND b < ? LIMIT ?", r#"["O'Neill", inf, 3]"#).unwrap();
        assert_eq!(filled, "a = 'O''Neill' AND b < 9e999 LIMIT 3");
    }
}
