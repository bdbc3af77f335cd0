//! Reads the fields of a producer's JSON object, noting every refusal under the field's name.

use std::{fmt, str::FromStr};

use crate::{
    error::Refusals,
    json::{BROKEN_TEXT, JsonObject, Member},
};

/// A JSON object under examination.
pub(super) struct FieldParser<'a> {
    object: &'a JsonObject,
    pub(super) refusals: Refusals,
}

impl<'a> FieldParser<'a> {
    pub(super) fn new(object: &'a JsonObject) -> Self {
        Self { object, refusals: Refusals::default() }
    }

    /// The text under `field`; missing is fine, another type is not.
    pub(super) fn text(&mut self, field: &'static str) -> Option<String> {
        match self.object.member(field)? {
            Member::Text(text) => Some(text),
            Member::BrokenText => {
                self.refusals.add(field, BROKEN_TEXT);
                None
            }
            Member::Number(_) | Member::Other => {
                self.refusals.add(field, "must be a string");
                None
            }
        }
    }

    /// The digits of the number under `field`; missing is fine, another type is not.
    pub(super) fn number(&mut self, field: &'static str) -> Option<&'a str> {
        match self.object.member(field)? {
            Member::Number(digits) => Some(digits),
            Member::Text(_) | Member::BrokenText | Member::Other => {
                self.refusals.add(field, "must be a JSON number, not a string");
                None
            }
        }
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
        self.optional_number(field)
    }

    /// The parsed number under `field`, if it is there.
    pub(super) fn optional_number<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
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
        Some(text)
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
        if let (Some(first), Some(second)) = (&first, &second)
            && !first.eq_ignore_ascii_case(second)
        {
            self.refusals.add(name, format!("disagrees with {alias}; send one of them"));
            return None;
        }
        let missing = self.object.member(name).is_none() && self.object.member(alias).is_none();
        let Some(text) = first.or(second) else {
            if missing {
                self.refusals.add(name, "is missing");
            }
            return None;
        };
        self.refusals.check(name, text.parse())
    }

    fn require(&mut self, field: &'static str) {
        if self.object.member(field).is_none() {
            self.refusals.add(field, "is missing");
        }
    }
}
