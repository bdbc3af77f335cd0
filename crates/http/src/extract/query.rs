//! Query parameters: typed, bounded, every refused one named at once.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use alpine_domain::{error::Refusals, page::Slice, signal::Symbol};

use super::pairs;
use crate::{context::OFFSETS, problem::Result};

/// The parameters of one request. Unknown ones are ignored.
///
/// Each value that is read is also noted in one canonical form, so that equal requests share one
/// entry of the cache, however they were written.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    refusals: Refusals,
    canonical: String,
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// 400 when it is not readable.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            pairs: pairs::parse(text.as_bytes(), "query")?,
            refusals: Refusals::default(),
            canonical: String::with_capacity(64),
        })
    }

    /// The value of a parameter. One that is given twice is refused, since two readers could each
    /// see another one.
    fn value(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name);
        let first = values.next().map(|(_, value)| value.clone());
        if values.next().is_some() {
            self.refusals.add(name, "must be given once at most");
            return None;
        }
        first
    }

    /// Lengths stand before values, so that no two requests share one text.
    fn note(&mut self, name: &str, value: Option<&dyn Display>) {
        if let Some(value) = value {
            self.note_text(name, &value.to_string());
        } else {
            self.canonical.push_str(name);
            self.canonical.push_str("=-1:;");
        }
    }

    fn note_text(&mut self, name: &str, text: &str) {
        let mut length = itoa::Buffer::new();
        for part in [name, "=", length.format(text.len()), ":", text, ";"] {
            self.canonical.push_str(part);
        }
    }

    /// A whole number within `range`.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let number = self.optional_number(name, range).unwrap_or(default);
        self.note_text(name, itoa::Buffer::new().format(number));
        number
    }

    fn optional_number(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.value(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        let result = number.ok_or_else(|| {
            format!("must be a whole number from {} to {}", range.start(), range.end())
        });
        self.refusals.check(name, result)
    }

    /// A switch; off when it is not given.
    pub fn flag(&mut self, name: &'static str) -> bool {
        let on = match self.value(name).map(|text| text.to_ascii_lowercase()) {
            None => false,
            Some(text) => match text.as_str() {
                "true" | "1" | "yes" | "on" => true,
                "false" | "0" | "no" | "off" => false,
                _ => {
                    self.refusals.add(name, "must be true or false");
                    false
                }
            },
        };
        self.note_text(name, if on { "true" } else { "false" });
        on
    }

    /// A value of its own type.
    pub fn optional<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr + Display,
        T::Err: Display,
    {
        let text = self.value(name)?;
        let value: Option<T> = self.refusals.check(name, text.parse());
        self.note(name, value.as_ref().map(|value| value as &dyn Display));
        value
    }

    /// An instrument, in upper or lower case.
    pub fn symbol(&mut self) -> Option<Symbol> {
        let text = self.value("symbol")?.to_ascii_uppercase();
        let symbol: Option<Symbol> = self.refusals.check("symbol", text.parse());
        self.note("symbol", symbol.as_ref().map(|value| value as &dyn Display));
        symbol
    }

    /// A percentage, 0 to 100.
    pub fn percentage(&mut self, name: &'static str) -> Option<f64> {
        let text = self.value(name)?;
        let number = text.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
        let number = self.refusals.check(name, number.ok_or("must be a number from 0 to 100"));
        self.note(name, number.as_ref().map(|value| value as &dyn Display));
        number
    }

    /// A number of days, as `days=30` or, as the original had it, `period=30d`.
    pub fn days(&mut self, range: RangeInclusive<u32>) -> Option<u32> {
        let days = self.optional_number("days", range.clone());
        let period = self.value("period").and_then(|text| {
            let digits = text.strip_suffix('d').unwrap_or_default();
            let number = digits.parse().ok().filter(|number| range.contains(number));
            let reason = format!("must be {}d to {}d, 30d for example", range.start(), range.end());
            self.refusals.check("period", number.ok_or(reason))
        });
        if let (Some(days), Some(period)) = (days, period)
            && days != period
        {
            self.refusals.add("period", "contradicts days: give one of the two");
        }
        let days = days.or(period);
        self.note("days", days.as_ref().map(|value| value as &dyn Display));
        days
    }

    /// The part of a list that is wanted: `limit`, `offset`, `cursor`.
    pub fn slice(&mut self, limits: RangeInclusive<u32>, default: u32) -> Slice {
        Slice {
            limit: self.number("limit", limits, default),
            offset: self.number("offset", OFFSETS, 0),
            after: self.optional("cursor"),
        }
    }

    /// Everything that was read, in one canonical form.
    ///
    /// # Errors
    /// 422 with every refused parameter.
    pub fn finish(self) -> Result<String> {
        self.refusals.into_result()?;
        Ok(self.canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alpine_domain::{Error, signal::Action};

    fn refused(text: &str, read: impl FnOnce(&mut Query)) -> Vec<String> {
        let mut query = Query::parse(text).unwrap();
        read(&mut query);
        match query.refusals.into_result() {
            Err(Error::Invalid(errors)) => errors.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let all = refused(
            "limit=0&premium_only=maybe&symbol=a%20b&action=HOLD&min_confidence=NaN&x=y",
            |query| {
                query.number("limit", 1..=100, 10);
                query.flag("premium_only");
                query.symbol();
                query.optional::<Action>("action");
                query.percentage("min_confidence");
            },
        );
        assert_eq!(all.len(), 5, "{all:?}");
        assert_eq!(all[0], "limit: must be a whole number from 1 to 100");
        assert!(all[3].contains("BUY"), "{all:?}");
    }

    #[test]
    fn limits_are_ranges_not_hints() {
        let read = |text: &str| refused(text, |query| _ = query.number("limit", 1..=100, 10));
        for bad in ["limit=101", "limit=-1", "limit=1.5", "limit=", "limit=1&limit=2"] {
            assert_eq!(read(bad).len(), 1, "{bad}");
        }
        for good in ["", "limit=1", "limit=100"] {
            assert!(read(good).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_period_is_a_number_of_days() {
        let days = |text: &str| Query::parse(text).unwrap().days(1..=365);
        assert_eq!(days("period=30d"), Some(30));
        assert_eq!(days("days=7&period=7d"), Some(7));
        assert_eq!(days(""), None);
        for bad in ["period=30", "period=0d", "period=366d", "days=7&period=8d"] {
            let all = refused(bad, |query| _ = query.days(1..=365));
            assert_eq!(all.len(), 1, "{bad}");
        }
    }

    #[test]
    fn requests_that_mean_the_same_share_one_canonical_form() {
        let form = |text: &str| {
            let mut query = Query::parse(text).unwrap();
            query.number("limit", 1..=100, 10);
            query.flag("premium_only");
            query.symbol();
            query.finish().unwrap()
        };
        assert_eq!(form(""), form("limit=10&premium_only=FALSE&utm=1"));
        assert_eq!(form("symbol=aapl&limit=010"), form("limit=10&symbol=AAPL"));
        assert_ne!(form("symbol=A"), form(""));
        assert_ne!(form("premium_only=1"), form(""));
    }
}
