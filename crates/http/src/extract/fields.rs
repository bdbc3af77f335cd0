//! The members of a body: typed, every refused one named at once. Unknown members change nothing.

use std::{fmt::Display, ops::RangeInclusive};

use alpine_domain::{
    Error, Timestamp,
    error::Refusals,
    json::{BROKEN_TEXT, JsonObject, Member},
};

use super::pairs;
use crate::problem::Result;

/// The number, if it is whole. Every `u32` is exact as an `f64`.
fn whole(digits: &str) -> Option<u32> {
    let number: f64 = digits.parse().ok()?;
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_whole.then(|| format!("{number:.0}")).and_then(|text| text.parse().ok())
}

/// The members of a JSON object or of a form.
#[derive(Debug)]
pub struct Fields {
    members: JsonObject,
    refusals: Refusals,
}

impl Fields {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        Ok(Self { members: JsonObject::parse(bytes)?, refusals: Refusals::default() })
    }

    /// Reads a form. Of a member that is given twice, the last one counts, as in JSON.
    ///
    /// # Errors
    /// 400 when it is not readable.
    pub fn from_form(bytes: &[u8]) -> Result<Self> {
        let members = JsonObject::of_texts(pairs::parse(bytes, "body")?);
        Ok(Self { members, refusals: Refusals::default() })
    }

    /// The names of all members that were sent.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.names()
    }

    /// A text that must be there; empty when it is refused.
    pub fn text(&mut self, name: &'static str) -> String {
        if self.members.member(name).is_none() {
            self.refusals.add(name, "is required");
        }
        self.optional_text(name).unwrap_or_default()
    }

    /// A text that must be there, as what `accept` makes of it; `None` when it is refused, which
    /// [`finish_with`](Self::finish_with) then tells.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        accept: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.members.member(name).is_none() {
            self.refusals.add(name, "is required");
        }
        self.optional_parsed(name, accept)
    }

    /// A text that may be missing or `null`.
    pub fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.members.member(name)? {
            Member::Text(text) => Some(text),
            Member::BrokenText => {
                self.refusals.add(name, BROKEN_TEXT);
                None
            }
            Member::Number(_) | Member::Other => {
                self.refusals.add(name, "must be a string");
                None
            }
        }
    }

    /// A text that may be missing or `null`, as what `accept` makes of it.
    pub fn optional_parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        accept: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.optional_text(name)?;
        self.refusals.check(name, accept(&text))
    }

    /// Refuses a member that clients may expect to have an effect here, and that has none.
    pub fn refuse(&mut self, name: &'static str, why: &'static str) {
        if self.members.member(name).is_some() {
            self.refusals.add(name, why);
        }
    }

    /// `true` or `false`; `None` when it is missing or `null`.
    pub fn optional_flag(&mut self, name: &'static str) -> Option<bool> {
        self.members.member(name)?;
        let flag = self.members.flag(name);
        self.refusals.check(name, flag.ok_or("must be true or false"))
    }

    /// A whole number in `range`, however it is written: `60`, `60.0`, `6e1` (JSON knows one kind of number); `None`
    /// when it is missing or `null`.
    pub fn optional_number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let member = self.members.member(name)?;
        let number = match member {
            Member::Number(digits) => whole(digits).filter(|number| range.contains(number)),
            _ => None,
        };
        let reason = format!("must be a whole number, {} to {}", range.start(), range.end());
        self.refusals.check(name, number.ok_or(reason))
    }

    /// A list of texts; `None` when it is missing.
    pub fn optional_texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.members.member(name)?;
        let texts = self.members.texts(name);
        self.refusals.check(name, texts.ok_or("must be an array of strings"))
    }

    /// An instant that may be missing.
    pub fn optional_timestamp(&mut self, name: &'static str) -> Option<Timestamp> {
        self.optional_parsed(name, Timestamp::parse_rfc3339)
    }

    /// Nothing was refused.
    ///
    /// # Errors
    /// 422 with every refused member.
    pub fn finish(self) -> Result<()> {
        Ok(self.refusals.into_result()?)
    }

    /// Nothing was refused: the members that [must be there](Self::parsed), one or a tuple of several.
    ///
    /// # Errors
    /// 422 with every refused member.
    pub fn finish_with<R: Required>(self, read: R) -> Result<R::Values> {
        self.finish()?;
        // What is missing without being refused was read as optional: a defect of the handler.
        let defect = || Error::internal("a member that must be there was read as optional");
        Ok(read.all().ok_or_else(defect)?)
    }
}

/// Members that must be there, as they were read.
pub trait Required {
    /// What a handler gets.
    type Values;

    /// All of them, if none was refused.
    fn all(self) -> Option<Self::Values>;
}

impl<T> Required for Option<T> {
    type Values = T;

    fn all(self) -> Option<T> {
        self
    }
}

macro_rules! required_of_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name),+> Required for ($(Option<$name>,)+) {
            type Values = ($($name,)+);

            fn all(self) -> Option<Self::Values> {
                Some(($(self.$index?,)+))
            }
        }
    };
}
required_of_tuple!(A 0, B 1);
required_of_tuple!(A 0, B 1, C 2);

#[cfg(test)]
mod tests {
    use super::*;
    use alpine_domain::account::{Email, NewPassword};

    #[test]
    fn every_bad_member_is_named_at_once() {
        let mut fields = Fields::from_json(
            br#"{"email": "nobody", "password": 7, "expires_at": "soon", "scopes": [1], "tier": "elite"}"#,
        )
        .unwrap();
        fields.parsed("email", str::parse::<Email>);
        fields.parsed("password", NewPassword::parse);
        fields.text("full_name");
        fields.optional_timestamp("expires_at");
        fields.optional_texts("scopes");
        let names: Vec<_> =
            fields.refusals.into_errors().into_iter().map(|error| error.field).collect();
        assert_eq!(names, ["email", "password", "full_name", "expires_at", "scopes"]);
    }

    #[test]
    fn anything_but_an_object_is_malformed() {
        let status = |text: &str| Fields::from_json(text.as_bytes()).unwrap_err().status();
        let bomb = "[".repeat(10_000);
        for broken in
            ["", "{", "{\"a\":}", "{\"a\":1}}", "\u{feff}\u{feff}{}", &bomb, "[]", "1", "null"]
        {
            assert_eq!(status(broken), 400, "{broken:.20}");
        }
        assert_eq!(Fields::from_json(b"{\"a\":\"\xff\"}").unwrap_err().status(), 400);
    }
}
