//! What a plan may cost, and what is let pass for a reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    asks::{ASKS, Ask},
    cost::Cost,
};

/// Tables whose rows become more with every day.
const GROWING: [&str; 15] = [
    "signals",
    "outcomes",
    "late_outcomes",
    "events",
    "users",
    "sessions",
    "refresh_tokens",
    "api_keys",
    "notifications",
    "jobs",
    "invoices",
    "subscriptions",
    "audit_log",
    "audit_counts",
    "rollups",
];
/// A table of fewer rows may be read to its end: no index is faster then.
const SMALL: u64 = 100;
/// Rows that a statement may sort: as many as are named one by one, see `persistence/src/signals`.
const SORTED: u64 = 1_001;
/// How many times as many rows and pages a larger database may take, and how many more besides: an index is a level
/// higher, and rows of one page lie apart.
const GROWTH: u64 = 2;
const MORE: u64 = 64;

/// One of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Scan,
    Sort,
    Buffers,
    Growth,
}

/// What is let pass.
pub(super) struct Exception {
    pub(super) route: &'static str,
    pub(super) rules: &'static [Rule],
    pub(super) reason: &'static str,
}

const ALL: &[Rule] = &[Rule::Scan, Rule::Sort, Rule::Buffers, Rule::Growth];

/// An entry that nothing needs fails, as a fault does.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        route: "performance_stats",
        rules: ALL,
        reason: "sums over every outcome; sums that are kept are to take their place",
    },
    Exception {
        route: "equity_curve",
        rules: ALL,
        reason: "reads every outcome; points that are kept are to take their place",
    },
    Exception {
        route: "symbols",
        rules: ALL,
        reason: "groups every signal; sums that are kept are to take their place",
    },
];

/// What a statement cost, by its request's place in [`ASKS`] and its text.
pub(super) type Costs = BTreeMap<(usize, String), Cost>;

/// A rule that a statement broke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) ask: usize,
    pub(super) rule: Rule,
    pub(super) reason: String,
    pub(super) statement: String,
}

impl Fault {
    pub(super) const fn asked(&self) -> &'static Ask {
        &ASKS[self.ask]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ask { route, by, path, .. } = self.asked();
        write!(f, "{route} ({by:?}, {path}): {}\n    {}", self.reason, self.statement)
    }
}

/// What breaks a rule at one size, or between a smaller one and a larger one.
pub(super) fn faults(smaller: &Costs, larger: &Costs) -> BTreeSet<Fault> {
    let mut found = BTreeSet::new();
    for (key @ (ask, statement), cost) in smaller.iter().chain(larger) {
        let mut add = |rule, reason| {
            found.insert(Fault { ask: *ask, rule, reason, statement: statement.clone() });
        };
        for (table, rows) in &cost.scans {
            // SQLite says no number: there every table counts as large.
            let is_large = *rows > SMALL || cost.rows == 0;
            if is_large && GROWING.contains(&table.as_str()) {
                add(Rule::Scan, format!("reads all of {table}"));
            }
        }
        match cost.sorted {
            Some(rows) if rows <= SORTED => {}
            Some(_) => add(Rule::Sort, format!("sorts more than {SORTED} rows")),
            None => add(Rule::Sort, "sorts as many rows as there may be".to_owned()),
        }
        let most = ASKS[*ask].buffers;
        if cost.buffers > most {
            add(Rule::Buffers, format!("touches more than {most} pages"));
        }
        let Some((few, many)) = smaller.get(key).zip(larger.get(key)) else { continue };
        for (what, few, many) in
            [("rows", few.rows, many.rows), ("pages", few.buffers, many.buffers)]
        {
            if many > few * GROWTH + MORE {
                add(Rule::Growth, format!("{what} grow with the data: {few}, then {many}"));
            }
        }
    }
    found
}

/// Parts faults from those that are let pass; says which exceptions nothing needs.
pub(super) fn judge(faults: BTreeSet<Fault>) -> (Vec<Fault>, BTreeSet<&'static str>) {
    let mut needed = BTreeSet::new();
    let is_left = |fault: &Fault| {
        let route = fault.asked().route;
        let pass = EXCEPTIONS.iter().find(|it| it.route == route && it.rules.contains(&fault.rule));
        needed.extend(pass.map(|exception| exception.route));
        pass.is_none()
    };
    let left = faults.into_iter().filter(is_left).collect();
    (left, needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(cost: Cost) -> Costs {
        Costs::from([((0, "SELECT".to_owned()), cost)])
    }

    fn rules(few: Cost, many: Cost) -> Vec<Rule> {
        faults(&costs(few), &costs(many)).into_iter().map(|fault| fault.rule).collect()
    }

    fn good() -> Cost {
        Cost { scans: Vec::new(), sorted: Some(1_001), rows: 100, buffers: 100 }
    }

    #[test]
    fn each_rule_is_broken_by_one_step_more() {
        assert_eq!(rules(good(), good()), []);
        assert_eq!(rules(good(), Cost { sorted: Some(1_002), ..good() }), [Rule::Sort]);
        assert_eq!(rules(good(), Cost { sorted: None, ..good() }), [Rule::Sort]);
        assert_eq!(rules(good(), Cost { buffers: 101, ..good() }), [Rule::Buffers]);
        assert_eq!(rules(good(), Cost { rows: 264, ..good() }), []);
        assert_eq!(rules(good(), Cost { rows: 265, ..good() }), [Rule::Growth]);
        let scan = |table: &str, rows| Cost { scans: vec![(table.to_owned(), rows)], ..good() };
        assert_eq!(rules(scan("signals", 100), good()), []);
        assert_eq!(rules(scan("signals", 101), good()), [Rule::Scan]);
        assert_eq!(rules(scan("database_identity", 101), good()), []);
        let on_sqlite =
            Cost { scans: vec![("events".to_owned(), 0)], sorted: Some(0), ..Cost::default() };
        assert_eq!(rules(on_sqlite.clone(), on_sqlite), [Rule::Scan]);
    }

    #[test]
    fn exceptions_are_for_their_route_alone() {
        let of = |route: &str| ASKS.iter().position(|ask| ask.route == route).unwrap();
        let fault = |route| Fault {
            ask: of(route),
            rule: Rule::Scan,
            reason: String::new(),
            statement: String::new(),
        };
        let (left, needed) = judge(BTreeSet::from([fault("symbols"), fault("me")]));
        assert_eq!((left, needed), (vec![fault("me")], BTreeSet::from(["symbols"])));
    }

    #[test]
    fn every_request_is_of_a_route() {
        let table = alpine_http::routes::table(&alpine_http::HttpSettings::default());
        for ask in ASKS {
            assert!(table.iter().any(|route| route.endpoint.name == ask.route), "{}", ask.route);
        }
    }
}
