//! Numbers as producers send them: kept to the letter, compared and computed as exact decimals.

use std::{fmt, str::FromStr, sync::OnceLock};

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest number text that is read, in bytes.
const MAX_DIGITS: usize = 64;

/// Why a text is not a number that may stand in a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNumber {
    /// Not a JSON number, or a number too long or too large to be a price.
    #[error("must be a JSON number of at most 64 characters that fits a double")]
    NotANumber,
    /// Zero or negative where only positive makes sense.
    #[error("must be above 0")]
    NotPositive,
    /// Prices so far apart that the result cannot be held.
    #[error("gives a profit or loss beyond 9000000000 percent; check the price")]
    BeyondBounds,
    /// Outside 0 to 100.
    #[error("must be between 0 and 100")]
    NotPercent,
}

/// The number's text, checked, with its exact and its nearest double value.
fn parse_literal(text: &str) -> Result<(BigDecimal, f64), InvalidNumber> {
    if text.len() > MAX_DIGITS || serde_json::from_str::<serde_json::Number>(text).is_err() {
        return Err(InvalidNumber::NotANumber);
    }
    let double: f64 = text.parse().map_err(|_| InvalidNumber::NotANumber)?;
    let exact: BigDecimal = text.parse().map_err(|_| InvalidNumber::NotANumber)?;
    // A text like 1e-999999 names a number that a double cannot tell from zero.
    if !double.is_finite() || (double == 0.0) != exact.is_zero() {
        return Err(InvalidNumber::NotANumber);
    }
    // A zero may be written with an exponent of any size, to which every sum with it would be extended.
    let exact = if exact.is_zero() { BigDecimal::zero() } else { exact };
    Ok((exact, double))
}

/// Whether the text is a number above zero as it is written most often: up to 15 digits, and a point between two of
/// them at most. Such a one breaks no rule of [`parse_literal`], which takes fifty times as long.
fn is_plain_and_positive(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 16
        && are_digits(whole)
        && are_digits(fraction)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

/// A checked number: its text, and its exact value once somebody computes with it. Most are only shown.
#[derive(Debug, Clone)]
struct Literal {
    text: Box<str>,
    exact: OnceLock<BigDecimal>,
}

impl Literal {
    fn unread(text: &str) -> Self {
        Self { text: text.into(), exact: OnceLock::new() }
    }

    fn exact(&self) -> &BigDecimal {
        // It was checked when it was made.
        self.exact
            .get_or_init(|| parse_literal(&self.text).map(|(exact, _)| exact).unwrap_or_default())
    }
}

/// The same text has the same value.
impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Writes the text as a JSON number, digit by digit as it came.
fn serialize_literal<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let raw: &RawValue = serde_json::from_str(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(serializer)
}

/// Any JSON number of at most 64 characters that a double can hold, in its own digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digits(pub(super) String);

impl FromStr for Digits {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        parse_literal(text).map(|_| Self(text.to_owned()))
    }
}

/// A price above 0, in the currency of the instrument: the producer's own digits and their exact
/// value.
#[derive(Debug, Clone, PartialEq)]
pub struct Price(Literal);

impl Price {
    /// The producer's digits.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The exact value.
    pub fn exact(&self) -> &BigDecimal {
        self.0.exact()
    }
}

impl FromStr for Price {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        if !is_plain_and_positive(text) && parse_literal(text)?.1 <= 0.0 {
            return Err(InvalidNumber::NotPositive);
        }
        Ok(Self(Literal::unread(text)))
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_literal(&self.0.text, serializer)
    }
}

/// The price at which a position ended, in the currency of the instrument: any number, since options
/// expire worthless and futures and spreads have settled below zero. The producer's own digits and
/// their exact value.
#[derive(Debug, Clone, PartialEq)]
pub struct ExitPrice(Literal);

impl ExitPrice {
    /// The producer's digits.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The exact value.
    pub fn exact(&self) -> &BigDecimal {
        self.0.exact()
    }
}

impl FromStr for ExitPrice {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        if !is_plain_and_positive(text) {
            parse_literal(text)?;
        }
        Ok(Self(Literal::unread(text)))
    }
}

impl Serialize for ExitPrice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_literal(&self.0.text, serializer)
    }
}

/// How sure the producer is, in percent, 0 to 100: its own digits and the nearest double.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    literal: Box<str>,
    double: f64,
}

impl Confidence {
    /// The producer's digits.
    pub fn as_str(&self) -> &str {
        &self.literal
    }

    /// The nearest double; thresholds compare against it.
    pub const fn percent(&self) -> f64 {
        self.double
    }
}

impl FromStr for Confidence {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let (_, double) = parse_literal(text)?;
        // A negative zero lies within the range, and shows as one.
        if double.is_sign_negative() || !(0.0..=100.0).contains(&double) {
            return Err(InvalidNumber::NotPercent);
        }
        Ok(Self { literal: text.into(), double })
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_literal(&self.literal, serializer)
    }
}

/// Profit or loss in percent of the entry, in whole steps of 10⁻⁸ percent: sums are exact and the
/// same on every database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PnlPercent(i64);

impl PnlPercent {
    /// Steps in one percent.
    pub const SCALE: i64 = 100_000_000;
    /// The largest magnitude that is accepted: 9 × 10⁹ percent.
    pub const MAX_STEPS: i64 = 9_000_000_000 * Self::SCALE;

    /// `steps` steps of 10⁻⁸ percent.
    pub const fn from_steps(steps: i64) -> Self {
        Self(steps)
    }

    /// Steps of 10⁻⁸ percent.
    pub const fn steps(self) -> i64 {
        self.0
    }

    /// A win is above zero; zero is none.
    pub const fn is_win(self) -> bool {
        self.0 > 0
    }

    /// Rounds an exact percentage half to even; `None` beyond [`MAX_STEPS`](Self::MAX_STEPS).
    pub fn from_exact(percent: &BigDecimal) -> Option<Self> {
        let steps = (percent * Self::SCALE).with_scale_round(0, RoundingMode::HalfEven).to_i64()?;
        (steps.unsigned_abs() <= Self::MAX_STEPS.unsigned_abs()).then_some(Self(steps))
    }

    /// The nearest double.
    pub fn as_double(self) -> f64 {
        steps_to_percent(i128::from(self.0))
    }
}

/// A sum of steps as percent, the nearest double.
pub(crate) fn steps_to_percent(steps: i128) -> f64 {
    quotient(steps, PnlPercent::SCALE.into())
}

/// The double nearest to a quotient of integers, so that what is exact in decimals prints so; 0 when
/// `denominator` is 0.
#[expect(clippy::cast_precision_loss, reason = "both are exact up to 2^53")]
pub(crate) fn quotient(numerator: i128, denominator: i128) -> f64 {
    const EXACT: i128 = 1 << f64::MANTISSA_DIGITS;
    if denominator == 0 {
        return 0.0;
    }
    if numerator.abs() <= EXACT && denominator.abs() <= EXACT {
        // One division, correctly rounded.
        return numerator as f64 / denominator as f64;
    }
    // A hundred digits, far more than tell two doubles apart; whatever fits 128 bits fits a double.
    let digits = (BigDecimal::from(numerator) / BigDecimal::from(denominator)).to_string();
    digits.parse().unwrap_or(0.0)
}

/// Plain decimal digits without trailing zeros.
impl fmt::Display for PnlPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (mut fraction, mut width) = (magnitude % Self::SCALE.unsigned_abs(), 8);
        write!(f, "{sign}{}", magnitude / Self::SCALE.unsigned_abs())?;
        if fraction == 0 {
            return Ok(());
        }
        while fraction % 10 == 0 {
            (fraction, width) = (fraction / 10, width - 1);
        }
        write!(f, ".{fraction:0width$}")
    }
}

impl Serialize for PnlPercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_literal(&self.to_string(), serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_takes_nothing_that_the_long_one_refuses() {
        let parts = ["", "0", "00", "7", "10", "01", ".", "e", "-", "+", " ", "999999999999999"];
        for (a, b, c) in triples(&parts) {
            let text = format!("{a}{b}{c}");
            let is_positive = parse_literal(&text).is_ok_and(|(_, double)| double > 0.0);
            assert!(is_positive || !is_plain_and_positive(&text), "{text:?}");
        }
        for text in ["1", "0.5", "175.5", "184.25", "0.00000001", "123456789012345"] {
            assert!(is_plain_and_positive(text), "{text}");
        }
    }

    fn triples<'a>(parts: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let pairs = parts.iter().flat_map(move |a| parts.iter().map(move |b| (*a, *b)));
        pairs.flat_map(move |(a, b)| parts.iter().map(move |c| (a, b, *c)))
    }

    #[test]
    fn prices_keep_their_digits() {
        for text in
            ["175.5", "175", "1e-05", "1e+16", "1000000000000000.0", "2.2250738585072014e-308"]
        {
            let price: Price = text.parse().unwrap();
            assert_eq!(price.as_str(), text);
            assert_eq!(serde_json::to_string(&price).unwrap(), text);
        }
    }

    #[test]
    fn prices_are_positive_finite_numbers() {
        for text in ["0", "-1.5", "0.0", "-0"] {
            assert_eq!(text.parse::<Price>(), Err(InvalidNumber::NotPositive), "{text}");
        }
        for text in ["", "NaN", "inf", "1e999", "1e-999", "0x10", "+1", "1_000", " 1", "01"] {
            assert_eq!(text.parse::<Price>(), Err(InvalidNumber::NotANumber), "{text}");
        }
        let ones = |count| "1".repeat(count).parse::<Price>();
        assert_eq!(ones(64).unwrap().as_str().len(), 64);
        assert_eq!(ones(65), Err(InvalidNumber::NotANumber));
    }

    #[test]
    fn exits_are_any_number() {
        for text in ["0", "-0", "-37.63", "0.0", "1e-05", "180"] {
            let exit: ExitPrice = text.parse().unwrap();
            assert_eq!(exit.as_str(), text);
            assert_eq!(serde_json::to_string(&exit).unwrap(), text);
        }
        for text in ["", "NaN", "-inf", "1e999", "+1", "01"] {
            assert_eq!(text.parse::<ExitPrice>(), Err(InvalidNumber::NotANumber), "{text}");
        }
    }

    /// Sums with such a zero would otherwise have as many digits as it has places.
    #[test]
    fn a_zero_has_no_places_however_it_is_written() {
        for text in ["0e-777111150177700", "-0.0e99999999999", "0e5", "0.000"] {
            let exit: ExitPrice = text.parse().unwrap();
            assert_eq!(exit.exact().fractional_digit_count(), 0, "{text}");
            assert_eq!(exit.as_str(), text);
        }
    }

    #[test]
    fn steps_print_as_the_decimal_that_they_are() {
        for (steps, text) in [
            (256_410_256, "2.56410256"),
            (-256_410_256, "-2.56410256"),
            (i128::from(PnlPercent::MAX_STEPS), "9000000000"),
            (900_719_925_474_099_301, "9007199254.740993"),
            (1, "0.00000001"),
            (0, "0"),
        ] {
            assert_eq!(steps_to_percent(steps).to_string(), text);
        }
        // Three times 2.56410256 is 7.69230768, and a third of that is no 2.5641025599999997.
        assert_eq!(quotient(769_230_768, 3 * 100_000_000).to_string(), "2.56410256");
        assert_eq!((quotient(1, 0), quotient(i128::MAX, i128::MAX)), (0.0, 1.0));
    }

    #[test]
    fn confidence_is_a_percentage() {
        assert!("0".parse::<Confidence>().is_ok() && "100.0".parse::<Confidence>().is_ok());
        for text in ["-0.1", "100.1", "1000000000.0", "-0", "-0.0", "-0e5"] {
            assert_eq!(text.parse::<Confidence>(), Err(InvalidNumber::NotPercent), "{text}");
        }
    }

    #[test]
    fn pnl_prints_as_decimal() {
        for (steps, text) in
            [(250_000_000, "2.5"), (-1, "-0.00000001"), (0, "0"), (-300_000_000, "-3")]
        {
            assert_eq!(PnlPercent::from_steps(steps).to_string(), text);
        }
    }

    /// Up to 2^53 both are exact doubles; above it, one division of the nearest doubles would be wrong.
    #[test]
    fn a_quotient_is_the_nearest_double() {
        let exact = 1_i128 << 53;
        let tiny = 1.0 / 9_007_199_254_740_992.0;
        for (numerator, denominator, expected) in [
            (1, 0, 0.0),
            (0, 7, 0.0),
            (1, 3, 1.0 / 3.0),
            (-1, 8, -0.125),
            (1, exact, tiny),
            (1, exact + 1, tiny - tiny * tiny),
            (3 * (exact + 1), exact + 1, 3.0),
            (exact + 1, 3, 3_002_399_751_580_331.0),
        ] {
            let found = quotient(numerator, denominator);
            assert_eq!(found.to_bits(), f64::to_bits(expected), "{numerator} / {denominator}");
        }
    }
}
