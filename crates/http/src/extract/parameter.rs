//! Query parameters, each described once: the parser and the description of the API read the same words
//! and bounds.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use alpine_domain::{
    Timestamp,
    signal::{Strategy, Symbol},
};
use form_urlencoded::Serializer;
use serde::Serialize;
use serde_json::Value;

use super::query::Query;

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// A whole number, bounds included.
    Whole {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// A decimal number, bounds included.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// `true` or `false`; `1`, `yes`, `on`, `0`, `no` and `off` are understood too.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text of at least one character.
    Text {
        /// Characters at most; `None`: the request's own limit.
        max_chars: Option<usize>,
        /// An ECMA-262 pattern that every valid value matches.
        pattern: Option<&'static str>,
    },
}

/// What is said of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The name in the query string.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What it may be.
    pub rule: Rule,
    /// What counts where it is missing.
    pub default: Option<Value>,
}

/// The parameters that a route takes: one of them, or a tuple of several.
pub trait Parameters {
    /// What a handler gets.
    type Values;

    /// Reads and checks them. A refused one is noted in `query`, which tells of all at once.
    fn read(&self, query: &mut Query) -> Self::Values;

    /// What is said of each, in order.
    fn describe(&self, into: &mut Vec<Description>);

    /// Writes what was read, for a link to another part of the same list: without what is missing and
    /// without the position in the list.
    fn write(&self, values: &Self::Values, into: &mut Serializer<'static, String>);
}

/// One parameter that may be missing.
pub trait Parameter {
    /// What its text becomes.
    type Value: Display;

    /// The name under which the value is noted.
    fn name(&self) -> &'static str;

    /// Whether it says which part of a list is wanted.
    fn is_position(&self) -> bool {
        false
    }

    /// The value, checked.
    fn value(&self, query: &mut Query) -> Option<Self::Value>;

    /// What is said of it.
    fn describe_with(&self, default: Option<Value>, into: &mut Vec<Description>);
}

impl<P: Parameter> Parameters for P {
    type Values = Option<P::Value>;

    fn read(&self, query: &mut Query) -> Self::Values {
        let value = self.value(query);
        match &value {
            Some(value) => query.note(self.name(), value),
            None => query.note_missing(self.name()),
        }
        value
    }

    fn describe(&self, into: &mut Vec<Description>) {
        self.describe_with(None, into);
    }

    fn write(&self, value: &Self::Values, into: &mut Serializer<'static, String>) {
        if let Some(value) = value.as_ref().filter(|_| !self.is_position()) {
            into.append_pair(self.name(), &value.to_string());
        }
    }
}

/// A parameter with a value for requests that do not give it.
#[derive(Debug, Clone, Copy)]
pub struct Or<P: Parameter> {
    parameter: P,
    default: P::Value,
}

impl<P: Parameter<Value: Clone + Serialize>> Parameters for Or<P> {
    type Values = P::Value;

    fn read(&self, query: &mut Query) -> Self::Values {
        let value = self.parameter.value(query).unwrap_or_else(|| self.default.clone());
        query.note(self.parameter.name(), &value);
        value
    }

    fn describe(&self, into: &mut Vec<Description>) {
        // A number, a word or a switch can always be written as JSON.
        self.parameter.describe_with(serde_json::to_value(&self.default).ok(), into);
    }

    fn write(&self, value: &Self::Values, into: &mut Serializer<'static, String>) {
        if !self.parameter.is_position() {
            into.append_pair(self.parameter.name(), &value.to_string());
        }
    }
}

macro_rules! parameters_of_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Parameters),+> Parameters for ($($name,)+) {
            type Values = ($($name::Values,)+);

            fn read(&self, query: &mut Query) -> Self::Values {
                ($(self.$index.read(query),)+)
            }

            fn describe(&self, into: &mut Vec<Description>) {
                $(self.$index.describe(into);)+
            }

            fn write(&self, values: &Self::Values, into: &mut Serializer<'static, String>) {
                $(self.$index.write(&values.$index, into);)+
            }
        }
    };
}
parameters_of_tuple!(A 0, B 1);
parameters_of_tuple!(A 0, B 1, C 2);
parameters_of_tuple!(A 0, B 1, C 2, D 3);
parameters_of_tuple!(A 0, B 1, C 2, D 3, E 4);
parameters_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
parameters_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
parameters_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// A parameter with one value: its name, what it means, what it may be.
#[derive(Debug, Clone, Copy)]
pub struct Param<T> {
    name: &'static str,
    meaning: &'static str,
    rule: Rule,
    is_position: bool,
    parse: fn(Rule, &str) -> Result<T, Cow<'static, str>>,
}

impl<T: Display> Param<T> {
    const fn new(
        name: &'static str,
        meaning: &'static str,
        rule: Rule,
        parse: fn(Rule, &str) -> Result<T, Cow<'static, str>>,
    ) -> Self {
        Self { name, meaning, rule, is_position: false, parse }
    }

    /// The same, saying which part of a list is wanted: a link to another part leaves it out.
    #[must_use]
    pub const fn position(mut self) -> Self {
        self.is_position = true;
        self
    }

    /// The same, with a value for requests that do not give it.
    pub const fn or(self, default: T) -> Or<Self>
    where
        T: Copy,
    {
        Or { parameter: self, default }
    }
}

impl Param<u32> {
    /// A whole number from `min` to `max`.
    pub const fn whole(name: &'static str, min: u32, max: u32, meaning: &'static str) -> Self {
        Self::new(name, meaning, Rule::Whole { min, max }, |rule, text| {
            let Rule::Whole { min, max } = rule else { return Err(MISMATCH) };
            let number = text.parse().ok().filter(|number| (min..=max).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {min} to {max}").into())
        })
    }
}

impl Param<f64> {
    /// A percentage, 0 to 100.
    pub const fn percentage(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, meaning, Rule::Number { min: 0.0, max: 100.0 }, |rule, text| {
            let Rule::Number { min, max } = rule else { return Err(MISMATCH) };
            let number = text.parse::<f64>().ok().filter(|number| (min..=max).contains(number));
            // A negative zero is zero, also in the cache's key.
            let number = number.map(|number| number + 0.0);
            number.ok_or_else(|| format!("must be a number from {min} to {max}").into())
        })
    }
}

impl Param<bool> {
    /// `true` or `false`, also written 1, yes, on and 0, no, off.
    pub const fn flag(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, meaning, Rule::Flag, |_, text| match &*text.to_ascii_lowercase() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("must be true or false".into()),
        })
    }
}

impl Param<Timestamp> {
    /// An instant in RFC 3339.
    pub const fn instant(name: &'static str, meaning: &'static str) -> Self {
        let rule = Rule::Text { max_chars: Some(40), pattern: Some(INSTANT) };
        Self::new(name, meaning, rule, |_, text| {
            Timestamp::parse_rfc3339(text).map_err(|reason| reason.to_string().into())
        })
    }
}

/// An instant as it is written most often: in UTC, or with an offset. Others that RFC 3339 allows are understood too.
const INSTANT: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-2]):[0-5][0-9])$";

impl<T: FromStr<Err: Display> + Display> Param<T> {
    /// One of `words`, which are those that the type understands.
    pub const fn one_of(
        name: &'static str,
        words: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, meaning, Rule::OneOf(words), parsed)
    }

    /// A text that the type understands.
    pub const fn text(
        name: &'static str,
        max_chars: Option<usize>,
        pattern: Option<&'static str>,
        meaning: &'static str,
    ) -> Self {
        Self::new(name, meaning, Rule::Text { max_chars, pattern }, parsed)
    }
}

/// Constructors give each parser the rule that it was made for, so nobody is ever told this.
const MISMATCH: Cow<'static, str> = Cow::Borrowed("cannot be read");

fn parsed<T: FromStr<Err: Display>>(_: Rule, text: &str) -> Result<T, Cow<'static, str>> {
    text.parse().map_err(|reason: T::Err| reason.to_string().into())
}

impl<T: Display> Parameter for Param<T> {
    type Value = T;

    fn name(&self) -> &'static str {
        self.name
    }

    fn is_position(&self) -> bool {
        self.is_position
    }

    fn value(&self, query: &mut Query) -> Option<T> {
        let text = query.text(self.name)?;
        query.check(self.name, (self.parse)(self.rule, &text))
    }

    fn describe_with(&self, default: Option<Value>, into: &mut Vec<Description>) {
        let Self { name, meaning, rule, .. } = *self;
        into.push(Description { name, meaning, rule, default });
    }
}

/// A number of days back from now, as `days=30` or, as the original had it, `period=30d`.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    max: u32,
}

impl Days {
    /// Characters of a period at most, zeros in front included.
    const LONGEST: usize = 8;

    /// 1 to `max` days.
    pub const fn up_to(max: u32) -> Self {
        Self { max }
    }

    /// The same, with a number for requests that do not give it.
    pub const fn or(self, default: u32) -> Or<Self> {
        Or { parameter: self, default }
    }

    const fn days(self) -> Param<u32> {
        Param::whole("days", 1, self.max, "Only so many days back.")
    }

    /// What a period looks like: exact for a year, and up to four digits where more is allowed.
    const fn pattern(self) -> &'static str {
        if self.max == 365 {
            "^0*([1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-5])d$"
        } else {
            "^0*[1-9][0-9]{0,3}d$"
        }
    }
}

impl Parameter for Days {
    type Value = u32;

    fn name(&self) -> &'static str {
        "days"
    }

    fn value(&self, query: &mut Query) -> Option<u32> {
        let days = self.days().value(query);
        let period = query.text("period").and_then(|text| {
            let digits = text.strip_suffix('d').filter(|_| text.len() <= Self::LONGEST);
            let digits = digits.unwrap_or_default();
            let number = digits.parse().ok().filter(|number| (1..=self.max).contains(number));
            let reason = || format!("must be 1d to {}d, 30d for example", self.max);
            query.check("period", number.ok_or_else(reason))
        });
        if let (Some(days), Some(period)) = (days, period)
            && days != period
        {
            query.refuse("period", "contradicts days: give one of the two");
        }
        days.or(period)
    }

    fn describe_with(&self, default: Option<Value>, into: &mut Vec<Description>) {
        self.days().describe_with(default, into);
        into.push(Description {
            name: "period",
            meaning: "The same as days, `30d` for example.",
            rule: Rule::Text { max_chars: Some(Self::LONGEST), pattern: Some(self.pattern()) },
            default: None,
        });
    }
}

/// Only one instrument. One that is written without any upper-case letter is meant in upper case.
pub const SYMBOL: Param<Symbol> = Param::new(
    "symbol",
    "Only this instrument; `aapl` is taken for `AAPL`.",
    Rule::Text {
        max_chars: Some(Symbol::MAX_CHARS),
        // Combining marks are taken as part of a letter's spelling only, and at most 20 letters in a row: a
        // pattern that says so costs who tests by the description most of its time.
        pattern: Some(r"^[\p{L}\p{M}\p{N} .\-_/:=^!#$%&*+@|~'(),]+$"),
    },
    |rule, text| {
        if text.contains(char::is_uppercase) {
            parsed(rule, text)
        } else {
            parsed(rule, &text.to_ascii_uppercase())
        }
    },
);

/// Only the signals of one strategy.
pub const STRATEGY: Param<Strategy> =
    Param::text("strategy", Some(Strategy::MAX_CHARS), None, "Only this strategy.");

#[cfg(test)]
mod tests {
    use alpine_domain::{Error, signal::Action};

    use super::*;

    fn read<P: Parameters>(parameters: &P, text: &str) -> Result<(P::Values, String), Vec<String>> {
        let mut query = Query::parse(text).unwrap();
        let values = parameters.read(&mut query);
        query.finish().map(|canonical| (values, canonical)).map_err(|error| match error {
            Error::Invalid(errors) => errors.iter().map(ToString::to_string).collect(),
            other => panic!("{other}"),
        })
    }

    const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 100, "At most.").or(10);
    const PREMIUM: Or<Param<bool>> = Param::flag("premium_only", "Only those.").or(false);
    const ACTION: Param<Action> = Param::one_of("action", Action::WORDS, "Only this.");
    const CONFIDENCE: Param<f64> = Param::percentage("min_confidence", "At least.");

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let all = (LIMIT, PREMIUM, SYMBOL, ACTION, CONFIDENCE);
        let text = "limit=0&premium_only=maybe&symbol=a%3Bb&action=HOLD&min_confidence=NaN&x=y";
        let refused = read(&all, text).unwrap_err();
        assert_eq!(
            refused,
            [
                "limit: must be a whole number from 1 to 100",
                "premium_only: must be true or false",
                "symbol: must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside",
                "action: must be one of: BUY SELL",
                "min_confidence: must be a number from 0 to 100",
            ]
        );
    }

    #[test]
    fn limits_are_ranges_not_hints() {
        for bad in ["limit=101", "limit=-1", "limit=1.5", "limit=", "limit=1&limit=2"] {
            assert_eq!(read(&LIMIT, bad).unwrap_err().len(), 1, "{bad}");
        }
        for (good, number) in [("", 10), ("limit=1", 1), ("limit=100", 100)] {
            assert_eq!(read(&LIMIT, good).unwrap().0, number, "{good}");
        }
    }

    #[test]
    fn a_period_is_a_number_of_days() {
        let days = |text: &str| read(&Days::up_to(365), text).map(|(days, _)| days);
        assert_eq!(days("period=30d"), Ok(Some(30)));
        assert_eq!(days("days=7&period=7d"), Ok(Some(7)));
        assert_eq!(days(""), Ok(None));
        assert_eq!(read(&Days::up_to(365).or(30), "").unwrap().0, 30);
        for bad in ["period=30", "period=0d", "period=366d", "days=7&period=8d"] {
            assert_eq!(days(bad).unwrap_err().len(), 1, "{bad}");
        }
    }

    #[test]
    fn requests_that_mean_the_same_share_one_canonical_form() {
        let form = |text: &str| read(&(LIMIT, PREMIUM, SYMBOL), text).unwrap().1;
        assert_eq!(form(""), form("limit=10&premium_only=FALSE&utm=1"));
        assert_eq!(form("symbol=aapl&limit=010"), form("limit=10&symbol=AAPL"));
        let confidence = |text: &str| read(&CONFIDENCE, text).unwrap().1;
        assert_eq!(confidence("min_confidence=-0"), confidence("min_confidence=0"));
        // A length before each value, so that no value can look like the next parameter.
        assert_eq!(form("symbol=AAPL"), "limit=2:10;premium_only=5:false;symbol=4:AAPL;");
        assert_ne!(form("symbol=A"), form(""));
        assert_ne!(form("premium_only=1"), form(""));
    }

    #[test]
    fn what_was_read_is_written_without_the_position() {
        let offset = Param::whole("offset", 0, 10, "Passed over.").position().or(0);
        let all = (LIMIT, offset, SYMBOL, ACTION);
        let (values, _) = read(&all, "symbol=a/b&offset=3").unwrap();
        let mut written = Serializer::new(String::new());
        all.write(&values, &mut written);
        assert_eq!(written.finish(), "limit=10&symbol=A%2FB");
    }

    #[test]
    fn descriptions_say_what_the_parser_enforces() {
        let mut said = Vec::new();
        Parameters::describe(&(LIMIT, Days::up_to(365).or(30)), &mut said);
        let said: Vec<_> = said.into_iter().map(|one| (one.name, one.rule, one.default)).collect();
        assert_eq!(
            said[..2],
            [
                ("limit", Rule::Whole { min: 1, max: 100 }, Some(10.into())),
                ("days", Rule::Whole { min: 1, max: 365 }, Some(30.into())),
            ]
        );
        assert_eq!(said[2].0, "period");
    }
}
