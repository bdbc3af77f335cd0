//! The members of a body: typed, every refused one named at once. Unknown members change nothing.

use std::fmt::Display;

use alpine_domain::{
    Timestamp,
    error::Refusals,
    json::{BROKEN_TEXT, JsonObject, Member},
};

use super::pairs;
use crate::problem::Result;

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

    /// A text that must be there; empty when it is refused.
    pub fn text(&mut self, name: &'static str) -> String {
        if self.members.member(name).is_none() {
            self.refusals.add(name, "is required");
        }
        self.optional_text(name).unwrap_or_default()
    }

    /// A text that must be there and that `accept` agrees to.
    pub fn checked_text<T, E: Display>(
        &mut self,
        name: &'static str,
        accept: impl FnOnce(&str) -> Result<T, E>,
    ) -> String {
        let is_text = matches!(self.members.member(name), Some(Member::Text(_)));
        let text = self.text(name);
        if is_text {
            self.refusals.check(name, accept(&text));
        }
        text
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

    /// A text that may be missing, and that `accept` agrees to.
    pub fn optional_checked<T, E: Display>(
        &mut self,
        name: &'static str,
        accept: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<String> {
        let text = self.optional_text(name)?;
        self.refusals.check(name, accept(&text))?;
        Some(text)
    }

    /// Refuses a member that clients may expect to have an effect here, and that has none.
    pub fn refuse(&mut self, name: &'static str, why: &'static str) {
        if self.members.member(name).is_some() {
            self.refusals.add(name, why);
        }
    }

    /// A list of texts; `None` when it is missing.
    pub fn optional_texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.members.member(name)?;
        let texts = self.members.texts(name);
        self.refusals.check(name, texts.ok_or("must be an array of strings"))
    }

    /// An instant that may be missing.
    pub fn optional_timestamp(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.optional_text(name)?;
        self.refusals.check(name, Timestamp::parse_rfc3339(&text))
    }

    /// Nothing was refused.
    ///
    /// # Errors
    /// 422 with every refused member.
    pub fn finish(self) -> Result<()> {
        Ok(self.refusals.into_result()?)
    }
}

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
        fields.checked_text("email", str::parse::<Email>);
        fields.checked_text("password", NewPassword::parse);
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
