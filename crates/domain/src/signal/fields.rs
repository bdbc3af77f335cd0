//! Reads the fields of a producer's JSON object, noting every refusal under the field's name.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value};

use crate::{Error, Result, error::Refusals};

/// A JSON object under examination.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pub(super) refusals: Refusals,
}

/// The object that `body` holds.
///
/// # Errors
/// [`Error::Malformed`] when it holds something else.
pub(super) fn parse_object(body: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(body).map_err(|error| {
        Error::malformed("body", format!("is not a JSON object: {}", shorten(&error)))
    })
}

/// The parser's complaint without the excerpt of the input that some carry.
fn shorten(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "another kind of value was found",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            "it breaks JSON's syntax"
        }
    };
    format!("{kind} at line {}, column {}", error.line(), error.column())
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, refusals: Refusals::default() }
    }

    /// The field's value, `null` counting as missing.
    fn value(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// The text under `field`; missing is fine, another type is not.
    pub(super) fn text(&mut self, field: &'static str) -> Option<&'a str> {
        let value = self.value(field)?;
        if value.as_str().is_none() {
            self.refusals.add(field, "must be a string");
        }
        value.as_str()
    }

    /// The digits of the number under `field`; missing is fine, another type is not.
    pub(super) fn number(&mut self, field: &'static str) -> Option<&'a str> {
        if let Value::Number(number) = self.value(field)? {
            return Some(number.as_str());
        }
        self.refusals.add(field, "must be a JSON number, not a string");
        None
    }

    /// The parsed text under `field`, which must be there.
    pub(super) fn required_text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.require(field);
        self.optional_text(field)
    }

    /// The parsed text under `field`, if it is there.
    pub(super) fn optional_text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.text(field)?;
        self.refusals.check(field, text.parse())
    }

    /// The parsed number under `field`, which must be there.
    pub(super) fn required_number<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.require(field);
        let digits = self.number(field)?;
        self.refusals.check(field, digits.parse())
    }

    /// Free text of at most `max` characters without NUL.
    pub(super) fn prose(&mut self, field: &'static str, max: usize) -> Option<String> {
        let text = self.text(field)?;
        if text.chars().count() > max || text.contains('\0') {
            self.refusals.add(field, format!("must have at most {max} characters and no NUL"));
            return None;
        }
        Some(text.to_owned())
    }

    /// A field that goes by two names, `name` and `alias`: either will do, both must agree.
    pub(super) fn number_with_alias<T>(
        &mut self,
        name: &'static str,
        alias: &'static str,
    ) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let (first, second) = (self.number(name), self.number(alias));
        if let (Some(first), Some(second)) = (first, second)
            && first.parse::<f64>() != second.parse::<f64>()
        {
            self.refusals.add(name, format!("disagrees with {alias}; send one of them"));
            return None;
        }
        let digits = first.or(second)?;
        self.refusals.check(name, digits.parse())
    }

    /// The same for texts that are compared without regard to case.
    pub(super) fn text_with_alias<T>(
        &mut self,
        name: &'static str,
        alias: &'static str,
    ) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let (first, second) = (self.text(name), self.text(alias));
        if let (Some(first), Some(second)) = (first, second)
            && !first.eq_ignore_ascii_case(second)
        {
            self.refusals.add(name, format!("disagrees with {alias}; send one of them"));
            return None;
        }
        let missing = self.value(name).is_none() && self.value(alias).is_none();
        let Some(text) = first.or(second) else {
            if missing {
                self.refusals.add(name, "is missing");
            }
            return None;
        };
        self.refusals.check(name, text.parse())
    }

    fn require(&mut self, field: &'static str) {
        if self.value(field).is_none() {
            self.refusals.add(field, "is missing");
        }
    }
}
