//! A picture of a few figures: the win rate as a range, what it covers, and how many trades stand behind it.

use std::fmt::Write as _;

use alpine_domain::statistics::Statistics;

use super::theme::Theme;
use crate::xml::Escaped;

const HEIGHT: u32 = 22;
/// Before, between and after the texts, pixels.
const GAP: u32 = 8;

/// What a badge tells. Percentages are 0 to 100.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BadgeFigures {
    /// Wins in percent of the closed trades.
    pub(super) win_rate: f64,
    /// The same if everything that is due and not closed was lost.
    pub(super) win_rate_lower: f64,
    /// What was closed, in percent of what is due; `None` while nothing is.
    pub(super) coverage: Option<f64>,
    /// Closed trades.
    pub(super) trades: u64,
    /// What is due.
    pub(super) due: u64,
    pub(super) small_sample: bool,
    /// Closed trades that simulations made up.
    pub(super) simulated: u64,
}

impl From<&Statistics> for BadgeFigures {
    fn from(statistics: &Statistics) -> Self {
        Self {
            win_rate: statistics.win_rate,
            win_rate_lower: statistics.win_rate_lower,
            coverage: statistics.coverage.coverage,
            trades: statistics.total_trades,
            due: statistics.coverage.due,
            small_sample: statistics.is_small_sample,
            simulated: statistics.simulated_trades,
        }
    }
}

/// A percentage, rounded down to a tenth: no rounding flatters.
pub(super) fn percent(value: f64) -> String {
    let tenths = format!("{:.1}", (value * 10.0).floor() / 10.0);
    tenths.strip_suffix(".0").unwrap_or(&tenths).to_owned()
}

impl BadgeFigures {
    fn win_rate(&self) -> String {
        let (lower, upper) = (percent(self.win_rate_lower), percent(self.win_rate));
        match self.trades {
            0 => "no closed trades".to_owned(),
            _ if lower == upper => format!("{upper} %"),
            _ => format!("{lower}–{upper} %"),
        }
    }

    fn rest(&self) -> String {
        let mut text = String::new();
        if let Some(coverage) = self.coverage {
            // Writing to a string does not fail, here and below.
            let _ = write!(text, "coverage {} % · ", percent(coverage));
        }
        let _ = write!(text, "{} of {} closed", self.trades, self.due);
        if self.small_sample {
            text.push_str(" · small sample");
        }
        match self.simulated {
            0 => {}
            all if all == self.trades => text.push_str(" · simulated"),
            some => {
                let _ = write!(text, " · {some} simulated");
            }
        }
        text
    }

    /// The picture. `of` names what was asked for, where it is a part; it is told to who points at the badge, or has it
    /// read out.
    pub(super) fn svg(&self, theme: Theme, of: &str) -> String {
        let texts = [("m", "win rate".to_owned()), ("t", self.win_rate()), ("m", self.rest())];
        let title = match of {
            "" => format!("win rate {} · {}", texts[1].1, texts[2].1),
            of => format!("{of}: win rate {} · {}", texts[1].1, texts[2].1),
        };
        let (mut parts, mut x) = (String::new(), GAP);
        for (class, text) in &texts {
            let width = width(text);
            let bold = if *class == "t" { " font-weight=\"bold\"" } else { "" };
            let _ = write!(
                parts,
                "<text class=\"{class}\"{bold} x=\"{x}\" y=\"15\" textLength=\"{width}\">{}</text>",
                Escaped(text)
            );
            x += width + GAP;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{x}\" height=\"{HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\"><title>{title}</title>{style}\
             <rect class=\"b\" x=\".5\" y=\".5\" width=\"{w}\" height=\"{h}\" rx=\"4\"/>{parts}</svg>\n",
            title = Escaped(title),
            style = theme.style(),
            w = x - 1,
            h = HEIGHT - 1,
        )
    }
}

/// About how wide a text of ours is in Verdana of 11 pixels. It is stretched to this width, so that it fits whatever
/// letters the reader has.
fn width(text: &str) -> u32 {
    let tenths = |c: char| match c {
        ' ' | '.' | 'i' | 'l' | '·' => 35,
        'f' | 'r' | 't' => 45,
        'm' | 'w' => 95,
        '%' => 110,
        _ => 68,
    };
    text.chars().map(tenths).sum::<u32>().div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty winners were reported, and sixty losers never closed.
    const HALF_TOLD: BadgeFigures = BadgeFigures {
        win_rate: 100.0,
        win_rate_lower: 40.0,
        coverage: Some(40.0),
        trades: 40,
        due: 100,
        small_sample: false,
        simulated: 0,
    };

    #[test]
    fn a_rate_that_is_half_told_is_a_range() {
        let svg = HALF_TOLD.svg(Theme::Auto, "");
        assert!(
            svg.contains("<title>win rate 40–100 % · coverage 40 % · 40 of 100 closed</title>"),
            "{svg}"
        );
        assert!(svg.len() < 2_048, "{}", svg.len());
        assert!(svg.contains("prefers-color-scheme") && !svg.contains("script"), "{svg}");
    }

    #[test]
    fn small_samples_and_simulations_are_marked() {
        let few = BadgeFigures { trades: 19, small_sample: true, simulated: 19, ..HALF_TOLD };
        assert_eq!(few.rest(), "coverage 40 % · 19 of 100 closed · small sample · simulated");
        let some = BadgeFigures { simulated: 1, coverage: None, ..HALF_TOLD };
        assert_eq!(some.rest(), "40 of 100 closed · 1 simulated");
        let none = BadgeFigures { trades: 0, ..HALF_TOLD };
        assert_eq!(none.win_rate(), "no closed trades");
    }

    #[test]
    fn no_rounding_flatters() {
        let told = [0.0, 66.666, 99.99, 100.0, 33.35].map(percent);
        assert_eq!(told, ["0", "66.6", "99.9", "100", "33.3"]);
    }

    #[test]
    fn a_name_ends_no_markup() {
        let svg = HALF_TOLD.svg(Theme::Dark, "<script>\"'&");
        assert!(svg.contains("&lt;script&gt;&quot;&#39;&amp;: win rate"), "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
    }
}
