//! The table, for a terminal and as a page.

use std::fmt::{self, Write as _};

use alpine_testing::balancer::Report;

use super::{
    rounds::{BOUND, Rounds, Verdict},
    seed::Sizes,
};

/// How it was measured, up to the table of rows.
const EXPLANATION: &str = "\
The same operations on a young database and on one of two years, in turn, in one process with the whole
application, on throw-away servers. The young one has a month of signals at the same pace, as far as lists look
back by default, so that both answer the same; of everything else it has what the operations use up. As many
signals are open in both. Lists are asked for over HTTP and without the cache. What is written is measured
below HTTP, at the use cases; a log-in as it is, and without hashing the password, to show what the database
does. Times are medians; the ratio is the median of the rounds' ratios, with the interval that contains the true
one with 95 % confidence. An operation whose interval contains the bound is measured again, up to four times.

| rows | young | aged |
|---|---|---|
";

/// What came out for one operation.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) rounds: Rounds,
    /// Why it could not be measured to its end.
    pub(super) failed: Option<String>,
}

impl Line {
    /// An interval that still contains the bound after all repeats is judged by its median.
    fn holds(&self) -> bool {
        self.failed.is_none()
            && match self.rounds.verdict() {
                Verdict::Within => true,
                Verdict::Above => false,
                Verdict::Unclear => self.rounds.ratio() <= BOUND,
            }
    }

    fn verdict(&self) -> String {
        match (&self.failed, self.rounds.verdict(), self.holds()) {
            (Some(why), ..) => format!("FAILS: {why}"),
            (None, Verdict::Within, _) => "within".to_owned(),
            (None, Verdict::Above, _) => "ABOVE".to_owned(),
            (None, Verdict::Unclear, true) => "within, by the median".to_owned(),
            (None, Verdict::Unclear, false) => "ABOVE, by the median".to_owned(),
        }
    }

    fn columns(&self) -> [String; 5] {
        let (fresh, aged) = self.rounds.medians();
        let (low, high) = self.rounds.interval();
        [
            time(fresh),
            time(aged),
            format!("{:.2}", self.rounds.ratio()),
            format!("{low:.2}–{high:.2}"),
            self.verdict(),
        ]
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fresh, aged, ratio, interval, verdict] = self.columns();
        write!(f, "{:<50} {fresh:>10} {aged:>10} {ratio:>7} {interval:>13}  {verdict}", self.label)
    }
}

/// Three digits and a unit.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        _ if !seconds.is_finite() => return "–".to_owned(),
        _ if seconds >= 1.0 => (seconds, "s"),
        _ if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "µs"),
    };
    let digits = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// What came out for one back end.
pub(super) struct BackEnd {
    pub(super) name: &'static str,
    pub(super) lines: Vec<Line>,
    /// How an instance started beside another one, where several share a database.
    pub(super) rolling: Option<Report>,
}

impl BackEnd {
    fn holds(&self) -> bool {
        let refuses_nobody =
            |report: &Report| report.refused.is_empty() && report.untrue.is_empty();
        self.lines.iter().all(Line::holds) && self.rolling.as_ref().is_none_or(refuses_nobody)
    }

    /// What is said of the start beside another instance.
    fn rolling(&self) -> Option<String> {
        let Report { requests, refused, untrue } = self.rolling.as_ref()?;
        let mut text = format!(
            "An instance started beside another one on the aged database, under {requests} \
             signed-in requests: {} were refused, and {} times readiness was untrue.",
            refused.len(),
            untrue.len()
        );
        for example in refused.iter().chain(untrue).take(3) {
            text.push(' ');
            text.push_str(example);
        }
        Some(text)
    }
}

/// What came out for each back end.
pub(super) struct Page {
    scale: f64,
    machine: String,
    back_ends: Vec<BackEnd>,
}

impl Page {
    pub(super) const fn new(scale: f64) -> Self {
        Self { scale, machine: String::new(), back_ends: Vec::new() }
    }

    /// Notes what else the machine did: a ratio is believed only where nothing else waited for a processor.
    pub(super) fn note_machine(&mut self) {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').nth(2).unwrap_or("an unknown number of");
        self.machine = format!(
            "On {processors} processors, for which {load} processes waited or ran on average in the last quarter \
             of an hour; where those are more, the figures are of the others as well."
        );
    }

    pub(super) fn add(&mut self, back_end: BackEnd) {
        self.back_ends.push(back_end);
    }

    pub(super) fn holds(&self) -> bool {
        self.back_ends.iter().all(BackEnd::holds)
    }

    // Writing to a string does not fail, here and below.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for back_end in &self.back_ends {
            let _ = writeln!(
                text,
                "\n{:<50} {:>10} {:>10} {:>7} {:>13}",
                back_end.name, "young", "aged", "ratio", "95 %"
            );
            for line in &back_end.lines {
                let _ = writeln!(text, "{line}");
            }
            if let Some(rolling) = back_end.rolling() {
                let _ = writeln!(text, "{rolling}");
            }
        }
        let _ = writeln!(text, "{}", self.machine);
        text
    }

    pub(super) fn markdown(&self) -> String {
        let (young, aged) = (rows(&Sizes::young(self.scale)), rows(&Sizes::aged(self.scale)));
        let scale = if (self.scale - 1.0).abs() < f64::EPSILON {
            String::new()
        } else {
            format!(" --scale {}", self.scale)
        };
        let build = if cfg!(debug_assertions) { " --as-built` without optimisation" } else { "`" };
        let mut text = format!(
            "# What two years cost\n\nPrinted by `cargo xtask age --markdown{scale}{build}.\n"
        );
        let _ = writeln!(text, "{}", self.machine);
        text.push_str(EXPLANATION);
        for ((kind, young), (_, aged)) in young.into_iter().zip(aged) {
            let _ = writeln!(text, "| {kind} | {} | {} |", thousands(young), thousands(aged));
        }
        for back_end in &self.back_ends {
            let _ = writeln!(
                text,
                "\n## {}\n\n| operation | young | aged | ratio | 95 % | at most {BOUND} |\n\
                 |---|---|---|---|---|---|",
                back_end.name
            );
            for line in &back_end.lines {
                let _ = writeln!(text, "| {} | {} |", line.label, line.columns().join(" | "));
            }
            if let Some(rolling) = back_end.rolling() {
                let _ = writeln!(text, "\n{rolling}");
            }
        }
        text
    }
}

fn rows(sizes: &Sizes) -> [(&'static str, i64); 9] {
    let Sizes { days, users, sessions, busy_sessions, api_keys, busy_keys, signals, open, events } =
        *sizes;
    [
        ("days", days.into()),
        ("users", users),
        ("sessions, with two refresh tokens each", sessions),
        ("sessions of one account", busy_sessions),
        ("API keys", api_keys),
        ("API keys of one account", busy_keys),
        ("signals", signals),
        ("open signals", open),
        ("events", events),
    ]
}

/// With a comma before each three digits.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(aged: u64, failed: Option<&str>) -> Line {
        let mut rounds = Rounds::default();
        for _ in 0..9 {
            rounds.add(Duration::from_micros(100), Duration::from_micros(aged));
        }
        Line { label: "refresh".to_owned(), rounds, failed: failed.map(str::to_owned) }
    }

    #[test]
    fn one_line_above_the_bound_or_failed_is_enough() {
        let holds = |lines: Vec<Line>| {
            let mut page = Page::new(1.0);
            page.add(BackEnd { name: "SQLite", lines: vec![line(100, None)], rolling: None });
            page.add(BackEnd { name: "PostgreSQL", lines, rolling: None });
            page.holds()
        };
        assert!(holds(vec![line(120, None)]));
        assert!(!holds(vec![line(100, None), line(121, None)]));
        assert!(!holds(vec![line(100, Some("statement timeout"))]));
    }

    #[test]
    fn the_page_has_a_row_for_each_operation() {
        let mut page = Page::new(0.5);
        let rolling = Report { requests: 7, refused: vec!["503".to_owned()], untrue: Vec::new() };
        page.add(BackEnd { name: "SQLite", lines: vec![line(100, None)], rolling: Some(rolling) });
        assert!(!page.holds());
        page.add(BackEnd { name: "PostgreSQL", lines: vec![line(150, None)], rolling: None });
        let text = page.markdown();
        assert!(text.contains("`cargo xtask age --markdown --scale 0.5"), "{text}");
        assert!(
            text.contains("| refresh | 100 µs | 150 µs | 1.50 | 1.50–1.50 | ABOVE |"),
            "{text}"
        );
        assert!(text.contains("under 7 signed-in requests: 1 were refused"), "{text}");
        assert!(text.contains("| events | 50,000 | 5,000,000 |"), "{text}");
    }

    #[test]
    fn times_have_three_digits() {
        assert_eq!(
            [1.234, 0.0456, 0.000_078_9, f64::NAN].map(time),
            ["1.23 s", "45.6 ms", "78.9 µs", "–"]
        );
    }
}
