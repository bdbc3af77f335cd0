//! The points of an equity curve, and fewer of them.

use super::{Fall, Mark, Segment};
use crate::{Timestamp, signal::steps_to_percent};

/// One point of an equity curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EquityPoint {
    /// When the position ended, as its producer says.
    pub closed_at: Timestamp,
    /// When Alpine received the outcome: the order of the points.
    pub received_at: Timestamp,
    /// The sum of all results up to and including this one, in percent of one unit of capital.
    pub cumulative_pct: f64,
}

/// A point, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    mark: Mark,
    value: i128,
}

impl Point {
    pub(super) fn shown(self) -> EquityPoint {
        EquityPoint {
            closed_at: Timestamp::from_micros(self.mark.closed_at()),
            received_at: Timestamp::from_micros(self.mark.received_at()),
            cumulative_pct: steps_to_percent(self.value),
        }
    }

    const fn place(&self) -> (i64, i64) {
        (self.mark.received_at(), self.mark.0)
    }
}

/// The points of consecutive stretches: each result where a stretch has few, else its extremes and its end.
#[derive(Clone, Default)]
pub(super) struct Curve {
    points: Vec<Point>,
    sum: i128,
}

impl Curve {
    /// Adds a stretch, whose last result is `last`.
    pub(super) fn add(&mut self, segment: &Segment) {
        if let Some(trades) = &segment.trades {
            for trade in trades {
                self.sum += i128::from(trade.pnl.steps());
                self.points.push(Point { mark: trade.mark, value: self.sum });
            }
            return;
        }
        let path = &segment.path;
        let extremes = [path.high, path.low].into_iter().filter_map(|extreme| {
            Some(Point { mark: extreme.at?, value: self.sum + extreme.value })
        });
        let falls = fall_points(&path.fall, self.sum);
        let end = path.last.map(|mark| Point { mark, value: self.sum + path.sum });
        let mut points: Vec<Point> = extremes.chain(falls).chain(end).collect();
        points.sort_unstable_by_key(Point::place);
        points.dedup();
        self.points.extend(points);
        self.sum += path.sum;
    }

    /// At most `most` points: the smallest and the largest of consecutive ones, the last one, and both ends of the
    /// deepest fall. From 8 on the extremes of the curve are among them; of fewer the last one is in any case.
    pub(super) fn thinned(self, most: usize, fall: &Fall) -> Vec<EquityPoint> {
        let Self { points, .. } = self;
        if points.len() <= most {
            return points.into_iter().map(Point::shown).collect();
        }
        if most < 8 {
            let mut kept: Vec<Point> = extremes(&points).take(most.saturating_sub(1)).collect();
            kept.extend(points.last());
            kept.sort_unstable_by_key(Point::place);
            kept.dedup();
            return kept.into_iter().map(Point::shown).collect();
        }
        // Two of each group, and three more.
        let groups = most.saturating_sub(3) / 2;
        let size = points.len().div_ceil(groups.max(1));
        let mut kept: Vec<Point> = points.chunks(size).flat_map(extremes).collect();
        kept.extend(fall_points(fall, 0));
        kept.extend(points.last());
        kept.sort_unstable_by_key(Point::place);
        kept.dedup();
        kept.into_iter().map(Point::shown).collect()
    }
}

/// Where a fall began and ended, above `base`.
fn fall_points(fall: &Fall, base: i128) -> impl Iterator<Item = Point> {
    let from = fall.from.map(|mark| Point { mark, value: base + fall.height });
    let to = fall.to.map(|mark| Point { mark, value: base + fall.height - fall.depth });
    from.into_iter().chain(to)
}

/// The smallest and the largest of some points.
fn extremes(points: &[Point]) -> impl Iterator<Item = Point> {
    let smallest = points.iter().min_by_key(|point| point.value);
    let largest = points.iter().max_by_key(|point| point.value);
    smallest.into_iter().chain(largest).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{signal::PnlPercent, statistics::Trade};

    fn segment(results: &[(i64, i64)]) -> Segment {
        let mut segment = Segment::default();
        for (row, steps) in results {
            segment.append(&Segment::of(&Trade {
                mark: Mark(*row, *row, *row),
                pnl: PnlPercent::from_steps(*steps),
                signalled_at: Timestamp::from_micros(*row),
                is_simulated: false,
                is_late: false,
            }));
        }
        segment
    }

    proptest! {
        /// However thin: the end, the extremes and the deepest fall of the curve are those of all results.
        #[test]
        fn a_thin_curve_rises_and_falls_as_far(
            steps in prop::collection::vec(-4_i64..=4, 1..400),
            size in 1_usize..60,
            most in 8_usize..40,
        ) {
            let results: Vec<_> = (1_i64..).zip(steps).collect();
            let all = segment(&results).path;
            let mut curve = Curve::default();
            for stretch in results.chunks(size) {
                curve.add(&segment(stretch));
            }
            let few = curve.clone().thinned(2, &all.fall);
            prop_assert!(few.len() <= 2);
            let end = few.last().map(|point| point.cumulative_pct);
            prop_assert_eq!(end, Some(steps_to_percent(all.sum)));
            let points = curve.thinned(most, &all.fall);
            prop_assert!(points.len() <= most);
            let values: Vec<f64> = points.iter().map(|point| point.cumulative_pct).collect();
            let shown = |value: i128| steps_to_percent(value);
            prop_assert_eq!(values.last().copied(), Some(shown(all.sum)));
            let high = values.iter().copied().fold(0.0, f64::max);
            let low = values.iter().copied().fold(0.0, f64::min);
            prop_assert_eq!((high, low), (shown(all.high.value), shown(all.low.value)));
            let (mut height, mut depth) = (0.0_f64, 0.0_f64);
            for value in values {
                height = height.max(value);
                depth = depth.max(height - value);
            }
            prop_assert!((depth - shown(all.fall.depth)).abs() < 1e-12);
        }
    }
}
