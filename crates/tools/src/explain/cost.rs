//! What a statement cost, as the database says.

use serde_json::Value;

/// The dearest execution of one statement of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Tables that were read from their beginning to their end, or would be, with the pages that this took, where the
    /// database says how many.
    pub(super) scans: Vec<(String, Option<u64>)>,
    /// Rows that were sorted at most; `None` where the database does not say how many, and many are possible.
    pub(super) sorted: Option<u64>,
    /// Rows that were looked at. Only PostgreSQL says how many.
    pub(super) rows: u64,
    /// Pages that were touched. Only PostgreSQL says how many.
    pub(super) buffers: u64,
    /// No statement, but a request that got no good answer.
    pub(super) is_unanswered: bool,
}

impl Cost {
    /// The larger of each figure.
    pub(super) fn or(self, other: Self) -> Self {
        let scans = [self.scans, other.scans].concat();
        Self {
            scans,
            sorted: self.sorted.zip(other.sorted).map(|(a, b)| a.max(b)),
            rows: self.rows.max(other.rows),
            buffers: self.buffers.max(other.buffers),
            is_unanswered: self.is_unanswered || other.is_unanswered,
        }
    }
}

/// The cost of an execution that PostgreSQL wrote down.
pub(super) fn of_postgres(plan: &Value) -> Cost {
    let mut cost = Cost { sorted: Some(0), ..Cost::default() };
    // The outermost node's figure has those of all below it.
    cost.buffers = pages(plan);
    walk(plan, &mut cost);
    cost
}

fn walk(node: &Value, cost: &mut Cost) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let parts = || node["Plans"].as_array().into_iter().flatten();
    if kind.ends_with("Scan") && kind != "CTE Scan" && kind != "Subquery Scan" {
        let rows = looked_at(node);
        cost.rows += rows;
        if kind == "Seq Scan" {
            let table = node["Relation Name"].as_str().unwrap_or_default().to_owned();
            cost.scans.push((table, Some(pages(node))));
        }
    }
    if kind.contains("Sort") {
        let rows = parts().map(looked_at).sum();
        cost.sorted = cost.sorted.map(|sorted| sorted.max(rows));
    }
    parts().for_each(|part| walk(part, cost));
}

fn pages(node: &Value) -> u64 {
    number(node, "Shared Hit Blocks") + number(node, "Shared Read Blocks")
}

fn looked_at(node: &Value) -> u64 {
    let each = number(node, "Actual Rows")
        + number(node, "Rows Removed by Filter")
        + number(node, "Rows Removed by Index Recheck");
    each * number(node, "Actual Loops")
}

fn number(node: &Value, name: &str) -> u64 {
    node[name].as_u64().unwrap_or_default()
}

/// The cost that the lines of SQLite's `EXPLAIN QUERY PLAN` allow.
pub(super) fn of_sqlite(lines: &[String]) -> Cost {
    let scanned = |line: &String| {
        let mut words = line.strip_prefix("SCAN ")?.split(' ');
        Some((words.next()?.to_owned(), None))
    };
    // Rows that are named one by one are as few as their numbers in the statement.
    let is_named = |line: &String| line.contains("(rowid=?)") || line.contains("(signal_id=?)");
    let is_table = |line: &&String| line.starts_with("SEARCH ") || line.starts_with("SCAN ");
    let sorts = lines.iter().any(|line| line.starts_with("USE TEMP B-TREE"));
    let are_few = lines.iter().filter(is_table).all(is_named);
    Cost {
        scans: lines.iter().filter_map(scanned).collect(),
        sorted: (!sorts || are_few).then_some(0),
        ..Cost::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_of_postgresql_is_added_up() {
        let index = json!({"Node Type": "Index Scan", "Relation Name": "outcomes", "Actual Rows": 1, "Actual Loops": 40,
            "Rows Removed by Filter": 2});
        let seq = json!({"Node Type": "Seq Scan", "Relation Name": "signals", "Actual Rows": 40, "Actual Loops": 1,
            "Rows Removed by Filter": 900, "Shared Hit Blocks": 60, "Shared Read Blocks": 4});
        let join = json!({"Node Type": "Nested Loop", "Actual Rows": 40, "Actual Loops": 1, "Plans": [seq, index]});
        let sort = json!({"Node Type": "Sort", "Actual Rows": 10, "Actual Loops": 1, "Plans": [join],
            "Shared Hit Blocks": 70, "Shared Read Blocks": 7});
        let expected = Cost {
            scans: vec![("signals".to_owned(), Some(64))],
            sorted: Some(40),
            rows: 1_060,
            buffers: 77,
            is_unanswered: false,
        };
        assert_eq!(of_postgres(&sort), expected);
    }

    #[test]
    fn a_plan_of_sqlite_says_what_is_possible() {
        let plan =
            |lines: &[&str]| of_sqlite(&lines.iter().map(ToString::to_string).collect::<Vec<_>>());
        let scan = plan(&["SCAN signals USING INDEX idx_signal_created"]);
        assert_eq!(scan.scans, [("signals".to_owned(), None)]);
        let sorted = "USE TEMP B-TREE FOR ORDER BY";
        let search = "SEARCH signals USING INDEX idx_signal_created (created_at<?)";
        let named = "SEARCH signals USING INTEGER PRIMARY KEY (rowid=?)";
        assert_eq!(plan(&[search, sorted]).sorted, None);
        assert_eq!(plan(&[search]).sorted, Some(0));
        assert_eq!(plan(&[named, sorted]).sorted, Some(0));
        assert_eq!(plan(&[named, search, sorted]).sorted, None);
    }
}
