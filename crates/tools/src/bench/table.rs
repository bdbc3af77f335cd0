//! Medians of the rounds, side by side.

use std::fmt::Write as _;

use super::variant::Variant;

/// One variant in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Requests answered in a second.
    pub(super) per_second: f64,
    /// Microseconds that half of the requests do not exceed.
    pub(super) p50: f64,
    /// Microseconds that 99 of 100 do not exceed.
    pub(super) p99: f64,
    /// Microseconds of processor time that the server spent on one request; none where the system
    /// does not tell.
    pub(super) processor: Option<f64>,
}

/// All rounds: each has every variant of `variants`, in that order.
pub(super) struct Rounds {
    pub(super) variants: Vec<Variant>,
    pub(super) rounds: Vec<Vec<Measured>>,
}

/// The two promises about the cached answer, and how they came out.
pub(super) struct Verdict {
    /// Requests per second of (b) over (a).
    pub(super) ratio: f64,
    /// 99th percentile of (b) over (a).
    pub(super) tail: f64,
}

impl Verdict {
    pub(super) const LEAST_RATIO: f64 = 0.85;
    pub(super) const LARGEST_TAIL: f64 = 2.0;

    pub(super) fn holds(&self) -> bool {
        self.ratio >= Self::LEAST_RATIO && self.tail <= Self::LARGEST_TAIL
    }
}

impl Rounds {
    /// The median over the rounds of what `of` says of a variant and of the first one in the same
    /// round: what disturbs a whole round disturbs both.
    fn median(&self, column: usize, of: impl Fn(Measured, Measured) -> f64) -> f64 {
        let values = self.rounds.iter().filter_map(|round| {
            let (own, first) = (round.get(column)?, round.first()?);
            Some(of(*own, *first))
        });
        median(values.collect())
    }

    fn ratio(&self, column: usize) -> f64 {
        self.median(column, |own, bare| own.per_second / bare.per_second)
    }

    fn tail(&self, column: usize) -> f64 {
        self.median(column, |own, bare| own.p99 / bare.p99)
    }

    /// Where both (a) and (b) were measured.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let starts_bare = self.variants.first() == Some(&Variant::Bare);
        let cached = self.variants.iter().position(|variant| *variant == Variant::Cached)?;
        starts_bare.then(|| Verdict { ratio: self.ratio(cached), tail: self.tail(cached) })
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<40} {:>9} {:>7} {:>9} {:>9} {:>8} {:>12}\n",
            "medians", "requests", "of (a)", "p50", "p99", "of (a)", "processor"
        );
        for (column, variant) in self.variants.iter().enumerate() {
            let processor = self.median(column, |own, _| own.processor.unwrap_or(f64::NAN));
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{:<40} {:>7.0}/s {:>7.2} {:>6.0} µs {:>6.0} µs {:>8.2} {:>9.1} µs",
                variant.label(),
                self.median(column, |own, _| own.per_second),
                self.ratio(column),
                self.median(column, |own, _| own.p50),
                self.median(column, |own, _| own.p99),
                self.tail(column),
                processor,
            );
        }
        text
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => f64::NAN,
        (1, Some(value)) => *value,
        (_, Some(value)) => f64::midpoint(values[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(per_second: f64, p99: f64) -> Measured {
        Measured { per_second, p50: 1.0, p99, processor: Some(1.0) }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = Rounds {
            variants: vec![Variant::Bare, Variant::Cached],
            rounds: vec![
                vec![measured(100.0, 1.0), measured(90.0, 1.5)],
                // Somebody else used the machine.
                vec![measured(50.0, 10.0), measured(45.0, 15.0)],
                vec![measured(100.0, 1.0), measured(80.0, 3.0)],
            ],
        };
        let verdict = rounds.verdict().unwrap();
        assert_eq!(verdict.ratio.to_string(), "0.9");
        assert_eq!(verdict.tail.to_string(), "1.5");
        assert!(verdict.holds());
        assert!(rounds.table().contains("(b) signals/latest"));
    }

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]).to_string(), "2.5");
        assert!(median(Vec::new()).is_nan());
    }
}
