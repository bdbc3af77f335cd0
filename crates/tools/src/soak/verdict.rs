//! What was measured in the end, beside its bound.

/// Figures with their bounds, and what did not hold.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    lines: Vec<String>,
    failures: usize,
}

impl Verdict {
    /// A figure that must not be above `most`.
    pub(super) fn at_most(&mut self, what: &str, value: u64, most: u64) {
        self.between(what, value, 0, most);
    }

    /// A figure that must be one of `least..=most`.
    pub(super) fn between(&mut self, what: &str, value: u64, least: u64, most: u64) {
        let holds = (least..=most).contains(&value);
        self.failures += usize::from(!holds);
        let mark = if holds { "✓" } else { "✗" };
        let bound = match (least, most) {
            (0, most) => format!("at most {most}"),
            (least, most) if least == most => format!("{most}"),
            (least, most) => format!("{least} to {most}"),
        };
        self.lines.push(format!("{mark} {what}: {value} ({bound})"));
    }

    /// Says everything. Whether all of it holds.
    pub(super) fn tell(&self) -> bool {
        for line in &self.lines {
            println!("{line}");
        }
        println!("{} figures, {} outside of their bounds", self.lines.len(), self.failures);
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_outside_of_its_bounds_fails_it() {
        let mut verdict = Verdict::default();
        verdict.at_most("a", 5, 5);
        verdict.between("b", 5, 5, 5);
        assert!(verdict.tell());
        verdict.at_most("c", 6, 5);
        verdict.between("d", 4, 5, 5);
        assert!(!verdict.tell());
        assert_eq!(verdict.failures, 2);
        assert_eq!(verdict.lines[2], "✗ c: 6 (at most 5)");
    }
}
