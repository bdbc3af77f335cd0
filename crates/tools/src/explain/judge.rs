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
/// A table of fewer pages may be read to its end: no index is faster then.
const SMALL: u64 = 32;
/// Rows that a statement may sort: as many as are named one by one, see `persistence/src/signals`.
const SORTED: u64 = 1_001;
/// How many times as many rows and pages a larger database may take, and how many more besides: an index is a level
/// higher, rows lie apart, and there are fewer than are asked for in the smaller one.
const GROWTH: u64 = 2;
const MORE_ROWS: u64 = 1_100;
const MORE_PAGES: u64 = 3_000;

/// One of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Scan,
    Sort,
    Buffers,
    Growth,
    Answer,
}

/// What is let pass.
pub(super) struct Exception {
    pub(super) route: &'static str,
    /// How a statement begins; the identifiers of both back ends without their quotes.
    pub(super) statement: &'static str,
    pub(super) rules: &'static [Rule],
    pub(super) reason: &'static str,
}

/// An entry that nothing needs fails, as a fault does.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        route: "subscribed_signals",
        statement: "SELECT COUNT(*) FROM (SELECT signals.id",
        rules: &[Rule::Growth],
        reason: "counts what there is up to 10,000, of an index alone, and stops there",
    },
    Exception {
        route: "list_sessions",
        statement: "SELECT sessions.id",
        rules: &[Rule::Sort],
        reason: "the live sessions of one user, whose number the limits on signing in bound",
    },
    Exception {
        route: "list_users",
        statement: "SELECT users.id",
        rules: &[Rule::Sort],
        reason: "as many rows of each of eight ranges of an index as a page has",
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
        if cost.is_unanswered {
            add(Rule::Answer, "is not answered".to_owned());
            continue;
        }
        for (table, pages) in &cost.scans {
            // SQLite says no number: there every table counts as large.
            if pages.is_none_or(|pages| pages > SMALL) && GROWING.contains(&table.as_str()) {
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
        for (what, few, many, more) in [
            ("rows", few.rows, many.rows, MORE_ROWS),
            ("pages", few.buffers, many.buffers, MORE_PAGES),
        ] {
            if many > few * GROWTH + more {
                add(Rule::Growth, format!("{what} grow with the data: {few}, then {many}"));
            }
        }
    }
    found
}

/// Parts faults from those that are let pass; says by which places of [`EXCEPTIONS`].
pub(super) fn judge(faults: BTreeSet<Fault>) -> (Vec<Fault>, BTreeSet<usize>) {
    let mut needed = BTreeSet::new();
    let is_left = |fault: &Fault| {
        let statement = fault.statement.replace(['"', '`'], "");
        let pass = EXCEPTIONS.iter().position(|it| {
            it.route == fault.asked().route
                && it.rules.contains(&fault.rule)
                && statement.starts_with(it.statement)
        });
        needed.extend(pass);
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
        Cost { sorted: Some(1_001), rows: 100, buffers: 100, ..Cost::default() }
    }

    #[test]
    fn each_rule_is_broken_by_one_step_more() {
        assert_eq!(rules(good(), good()), []);
        assert_eq!(rules(good(), Cost { is_unanswered: true, ..good() }), [Rule::Answer]);
        assert_eq!(rules(good(), Cost { sorted: Some(1_002), ..good() }), [Rule::Sort]);
        assert_eq!(rules(good(), Cost { sorted: None, ..good() }), [Rule::Sort]);
        assert_eq!(rules(good(), Cost { buffers: 101, ..good() }), [Rule::Buffers]);
        assert_eq!(rules(good(), Cost { rows: 1_300, ..good() }), []);
        assert_eq!(rules(good(), Cost { rows: 1_301, ..good() }), [Rule::Growth]);
        let scan = |table: &str, pages| Cost { scans: vec![(table.to_owned(), pages)], ..good() };
        assert_eq!(rules(scan("signals", Some(32)), good()), []);
        assert_eq!(rules(scan("signals", Some(33)), good()), [Rule::Scan]);
        assert_eq!(rules(scan("signals", None), good()), [Rule::Scan]);
        assert_eq!(rules(scan("database_identity", None), good()), []);
    }

    #[test]
    fn exceptions_are_for_their_route_alone() {
        let of = |route: &str| ASKS.iter().position(|ask| ask.route == route).unwrap();
        let fault = |route| Fault {
            ask: of(route),
            rule: Rule::Sort,
            reason: String::new(),
            statement: "SELECT users.id FROM users".to_owned(),
        };
        let (left, needed) = judge(BTreeSet::from([fault("list_users"), fault("me")]));
        let excused = EXCEPTIONS.iter().position(|it| it.route == "list_users").unwrap();
        assert_eq!((left, needed), (vec![fault("me")], BTreeSet::from([excused])));
    }

    #[test]
    fn every_request_is_of_a_route() {
        let table = alpine_http::routes::table(&alpine_http::HttpSettings::default());
        for ask in ASKS {
            assert!(table.iter().any(|route| route.endpoint.name == ask.route), "{}", ask.route);
        }
    }
}
