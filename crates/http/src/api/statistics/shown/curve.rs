//! The equity curve as a picture.

use std::fmt::Write as _;

use alpine_domain::{
    Timestamp,
    statistics::{EquityCurve, EquityPoint},
};

use super::theme::Theme;
use crate::xml::Escaped;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
/// Where the curve is drawn, pixels from each edge.
const LEFT: f64 = 10.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 26.0;
/// Buckets of the drawn curve; of each its lowest and its highest point are kept, and the last.
const BUCKETS: usize = 150;

/// What a picture of a curve tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct CurveFigures<'a> {
    points: &'a [EquityPoint],
    /// Closed trades behind the points.
    trades: u64,
    /// How many of them simulations made up.
    simulated: u64,
}

impl<'a> From<&'a EquityCurve> for CurveFigures<'a> {
    fn from(curve: &'a EquityCurve) -> Self {
        Self {
            points: &curve.points,
            trades: curve.statistics.total_trades,
            simulated: curve.statistics.simulated_trades,
        }
    }
}

/// A point on its way to a pixel: how many trades stand before it, and the sum in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    index: usize,
    sum: f64,
}

/// The curve from 0 on, with every extreme in its place.
fn thinned(points: &[EquityPoint]) -> Vec<Place> {
    let start = Place { index: 0, sum: 0.0 };
    let sums = points.iter().enumerate();
    let all: Vec<Place> = std::iter::once(start)
        .chain(sums.map(|(index, point)| Place { index: index + 1, sum: point.cumulative_pct }))
        .collect();
    let size = all.len().div_ceil(BUCKETS).max(1);
    let mut kept: Vec<Place> = Vec::new();
    for bucket in all.chunks(size) {
        let by_sum = |a: &&Place, b: &&Place| a.sum.total_cmp(&b.sum);
        let mut ends: Vec<Place> = [bucket.iter().min_by(by_sum), bucket.iter().max_by(by_sum)]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        ends.sort_by_key(|place| place.index);
        ends.dedup();
        kept.extend(ends);
    }
    let last = all.last().copied().filter(|last| kept.last() != Some(last));
    kept.extend(last);
    kept
}

/// From trades and percent to pixels.
struct Scale {
    last: f64,
    lowest: f64,
    highest: f64,
}

#[expect(clippy::cast_precision_loss, reason = "thousands at most")]
impl Scale {
    fn of(places: &[Place]) -> Self {
        let sums = || places.iter().map(|place| place.sum);
        Self {
            last: places.last().map_or(0, |last| last.index).max(1) as f64,
            lowest: sums().fold(0.0, f64::min),
            highest: sums().fold(0.0, f64::max),
        }
    }

    fn x(&self, index: usize) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * index as f64 / self.last
    }

    fn y(&self, sum: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        let span = self.highest - self.lowest;
        // Without any change the line lies in the middle.
        let part = if span > 0.0 { (self.highest - sum) / span } else { 0.5 };
        TOP + height * part
    }
}

/// The date of an instant.
fn date(instant: Timestamp) -> String {
    instant.to_string().chars().take(10).collect()
}

/// From when to when, and how many trades.
fn period(curve: CurveFigures<'_>) -> String {
    let (first, last) = (curve.points.first(), curve.points.last());
    let (trades, simulated) = (curve.trades, curve.simulated);
    let mut text = match (first, last) {
        (Some(first), Some(last)) => {
            format!("{} – {} · {} trades", date(first.received_at), date(last.received_at), trades)
        }
        _ => "no closed trades".to_owned(),
    };
    match simulated {
        0 => {}
        all if all == trades => text.push_str(" · simulated"),
        some => {
            // Writing to a string does not fail, here and below.
            let _ = write!(text, " · {some} simulated");
        }
    }
    text
}

/// The picture. `of` names what was asked for, where it is a part.
pub(super) fn svg(curve: CurveFigures<'_>, theme: Theme, of: &str) -> String {
    let places = thinned(curve.points);
    let scale = Scale::of(&places);
    let mut path = String::new();
    for (position, place) in places.iter().enumerate() {
        let command = if position == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", scale.x(place.index), scale.y(place.sum));
    }
    let end = places.last().map_or(0.0, |last| last.sum);
    let (zero, period) = (scale.y(0.0), period(curve));
    let heading = match of {
        "" => "Sum of results, percent of one unit".to_owned(),
        of => format!("{of}: sum of results, percent of one unit"),
    };
    let heading: String = heading.chars().take(60).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         role=\"img\" aria-label=\"{title}\"><title>{title}</title>{style}\
         <rect class=\"b\" x=\".5\" y=\".5\" width=\"{w}\" height=\"{h}\" rx=\"6\"/>\
         <text class=\"t\" x=\"{LEFT}\" y=\"18\">{heading}</text>\
         <path class=\"z\" d=\"M{LEFT} {zero:.1}H{right}\"/>\
         <path class=\"l\" d=\"{path}\"/>\
         <text class=\"t\" font-weight=\"bold\" x=\"{beside}\" y=\"{end_y:.1}\">{end:+.2} %</text>{zero_text}\
         <text class=\"m\" x=\"{LEFT}\" y=\"{bottom}\">{period}</text></svg>\n",
        title = Escaped(format!("{heading}: {end:+.2} % · {period}")),
        style = theme.style(),
        w = WIDTH - 1.0,
        h = HEIGHT - 1.0,
        heading = Escaped(&heading),
        right = WIDTH - RIGHT,
        beside = WIDTH - RIGHT + 5.0,
        end_y = scale.y(end) + 4.0,
        zero_text = zero_text(zero, scale.y(end)),
        bottom = HEIGHT - 9.0,
        period = Escaped(&period),
    )
}

/// What the zero line is, unless the end stands there.
fn zero_text(zero: f64, end: f64) -> String {
    if (zero - end).abs() < 12.0 {
        return String::new();
    }
    format!("<text class=\"m\" x=\"{}\" y=\"{:.1}\">0</text>", WIDTH - RIGHT + 5.0, zero + 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(sums: &[f64]) -> Vec<EquityPoint> {
        let point = |(second, sum): (i64, &f64)| EquityPoint {
            closed_at: Timestamp::from_seconds(second),
            received_at: Timestamp::from_seconds(second),
            cumulative_pct: *sum,
        };
        (1_736_937_000..).zip(sums).map(point).collect()
    }

    fn curve(points: &[EquityPoint]) -> CurveFigures<'_> {
        CurveFigures { points, trades: points.len() as u64, simulated: 0 }
    }

    #[test]
    fn every_extreme_stays_and_the_picture_is_small() {
        let mut sums: Vec<f64> = (0..2_000).map(|n| f64::from(n) / 7.0).collect();
        (sums[777], sums[1_500]) = (-1_234.5, 9_876.5);
        let points = points(&sums);
        let kept = thinned(&points);
        assert!(kept.len() <= 2 * BUCKETS + 2, "{}", kept.len());
        for sum in [0.0, -1_234.5, 9_876.5, sums[1_999]] {
            assert!(kept.iter().any(|place| place.sum.total_cmp(&sum).is_eq()), "{sum}");
        }
        assert!(kept.is_sorted_by_key(|place| place.index));
        let svg = svg(curve(&points), Theme::Auto, "");
        assert!(svg.len() < 12_288, "{}", svg.len());
        assert!(svg.contains("+285.57 %") && svg.contains("2025-01-15 – 2025-01-15 · 2000 trades"));
    }

    #[test]
    fn a_curve_without_points_says_so() {
        let svg = svg(curve(&[]), Theme::Light, "A&B");
        assert!(
            svg.contains("A&amp;B: sum of results") && svg.contains("no closed trades"),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
