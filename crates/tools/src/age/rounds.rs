//! How much more an operation costs on the older database, and how sure that is.

use std::time::Duration;

/// What an operation may cost on the older database, in times of what it costs on the young one.
pub(super) const BOUND: f64 = 1.2;

/// The same operation on both, round by round.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pairs: Vec<(f64, f64)>,
}

/// Whether the bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Within,
    Above,
    /// The interval contains the bound.
    Unclear,
}

impl Rounds {
    pub(super) fn add(&mut self, fresh: Duration, aged: Duration) {
        self.pairs.push((fresh.as_secs_f64(), aged.as_secs_f64()));
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Median seconds on the young and on the older database.
    pub(super) fn medians(&self) -> (f64, f64) {
        let (fresh, aged) = self.pairs.iter().copied().unzip();
        (middle(&sorted(fresh)), middle(&sorted(aged)))
    }

    /// The ratios of all rounds, ascending: what disturbs a whole round disturbs both.
    fn ratios(&self) -> Vec<f64> {
        sorted(self.pairs.iter().map(|(fresh, aged)| aged / fresh).collect())
    }

    /// The median of the rounds' ratios.
    pub(super) fn ratio(&self) -> f64 {
        middle(&self.ratios())
    }

    /// Where the true median lies with 95 percent confidence, whatever the distribution: by the binomial
    /// distribution of the ranks. All there is, where that is too little.
    pub(super) fn interval(&self) -> (f64, f64) {
        let ratios = self.ratios();
        let (first, last) = (ratios.first().copied(), ratios.last().copied());
        #[expect(clippy::cast_precision_loss, reason = "hundreds of rounds")]
        let count = ratios.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
        let below = ((count - 1.96 * count.sqrt()) / 2.0).floor().max(0.0) as usize;
        let low = ratios.get(below).copied().or(first);
        let high = ratios.get(ratios.len().saturating_sub(1 + below)).copied().or(last);
        (low.unwrap_or(f64::NAN), high.unwrap_or(f64::NAN))
    }

    pub(super) fn verdict(&self) -> Verdict {
        let (low, high) = self.interval();
        if high <= BOUND {
            Verdict::Within
        } else if low > BOUND {
            Verdict::Above
        } else {
            Verdict::Unclear
        }
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    let at = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(at)) {
        (_, None) => f64::NAN,
        (1, Some(value)) => *value,
        (_, Some(value)) => f64::midpoint(sorted[at - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(aged: impl IntoIterator<Item = u64>) -> Rounds {
        let mut rounds = Rounds::default();
        for aged in aged {
            rounds.add(Duration::from_micros(100), Duration::from_micros(aged));
        }
        rounds
    }

    #[test]
    fn a_bound_inside_the_interval_decides_nothing() {
        assert_eq!(rounds([110; 31]).verdict(), Verdict::Within);
        assert_eq!(rounds([130; 31]).verdict(), Verdict::Above);
        let mixed = rounds((0..31).map(|round| 105 + round));
        assert_eq!(mixed.verdict(), Verdict::Unclear);
        assert_eq!(format!("{:.2}", mixed.ratio()), "1.20");
        // Ranks 10 and 20 of 0..=30: the textbook's for 31 values.
        let (low, high) = mixed.interval();
        assert_eq!((format!("{low:.2}"), format!("{high:.2}")), ("1.15".into(), "1.25".into()));
    }

    #[test]
    fn what_disturbs_a_round_disturbs_both() {
        let mut disturbed = rounds([100, 100]);
        disturbed.add(Duration::from_millis(10), Duration::from_millis(11));
        assert_eq!(disturbed.verdict(), Verdict::Within);
        let (fresh, aged) = disturbed.medians();
        assert_eq!(
            (format!("{fresh:.4}"), format!("{aged:.4}")),
            ("0.0001".into(), "0.0001".into())
        );
    }
}
