//! JSON objects from outside, read member by member and no deeper than they are asked for.
//!
//! Nothing here builds a tree of values: a member stays the text that it came as until it is asked
//! for as a text or a number. So a number keeps its digits, nesting costs nothing however deep it
//! is, and no member can pass for something that it is not.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{Error, Result};

/// The members of a JSON object. Of a member that stands twice, the last one counts.
///
/// ```
/// use alpine_domain::json::{JsonObject, Member};
/// let object = JsonObject::parse(br#"{"price": 1e-05, "note": null, "deep": [[[]]]}"#)?;
/// assert_eq!(object.member("price"), Some(Member::Number("1e-05")));
/// assert_eq!(object.member("note"), None);
/// assert_eq!(object.member("deep"), Some(Member::Other));
/// # Ok::<(), alpine_domain::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct JsonObject(BTreeMap<String, Box<RawValue>>);

/// One member's value; `null` counts as missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member<'a> {
    /// A text.
    Text(String),
    /// A text with half of a surrogate pair (`\ud83d` alone), which is no character: what remains of an
    /// emoji that was cut in the middle.
    BrokenText,
    /// A number, in the digits that it came in.
    Number(&'a str),
    /// `true`, `false`, an array or an object.
    Other,
}

/// What a text with [`Member::BrokenText`] is told.
pub const BROKEN_TEXT: &str =
    "holds half of a surrogate pair, which is no character; was an emoji cut in the middle?";

/// `body` without a byte order mark in front, which PowerShell and Excel write.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

impl JsonObject {
    /// Reads an object. A byte order mark before it is passed over (RFC 8259, section 8.1).
    ///
    /// # Errors
    /// [`Error::Malformed`] on `body` when it is no JSON object in UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self> {
        serde_json::from_slice(without_mark(body)).map(Self).map_err(|error| {
            let place = (error.line(), error.column());
            let kind = match error.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Data => "something else was found",
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                    "it breaks JSON's syntax"
                }
            };
            let (line, column) = place;
            let reason = format!("is not a JSON object: {kind} at line {line}, column {column}");
            Error::malformed("body", reason)
        })
    }

    /// An object of texts only, from a form for example.
    pub fn of_texts(members: impl IntoIterator<Item = (String, String)>) -> Self {
        let raw = |text: String| serde_json::value::to_raw_value(&text).ok();
        let members = members.into_iter();
        Self(members.filter_map(|(name, text)| Some((name, raw(text)?))).collect())
    }

    /// The member of this name, unless it is missing or `null`.
    pub fn member(&self, name: &str) -> Option<Member<'_>> {
        let raw = self.0.get(name)?.get();
        Some(match raw.as_bytes().first()? {
            b'n' => return None,
            b'"' => serde_json::from_str(raw).map_or(Member::BrokenText, Member::Text),
            b'-' | b'0'..=b'9' => Member::Number(raw),
            _ => Member::Other,
        })
    }

    /// The names of all members, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The object as text, in the order of the names, every value to the letter; `name` is this text in it, and the
    /// members in `without` are left out.
    pub(crate) fn with_text(&self, name: &str, text: &str, without: &[&str]) -> String {
        let mut written = String::from("{");
        let mut push = |name: &str, value: &str| {
            if written.len() > 1 {
                written.push_str(", ");
            }
            // A text can always be written as JSON.
            written.push_str(&serde_json::Value::from(name).to_string());
            written.push_str(": ");
            written.push_str(value);
        };
        for (known, value) in &self.0 {
            if known != name && !without.contains(&known.as_str()) {
                push(known, value.get());
            }
        }
        push(name, &serde_json::Value::from(text).to_string());
        written.push('}');
        written
    }

    /// `true` or `false`, if the member is one of them.
    pub fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// The texts of a member that is an array of nothing else.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_for_what_it_is_not() {
        let text = br#"{"a": {"$serde_json::private::Number": "1"}, "b": {"$serde_json::private::RawValue": "1"},
            "c": true, "d": "x\u00e9", "e": -0.50, "f": null}"#;
        let object = JsonObject::parse(text).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(object.member(name), Some(Member::Other));
        }
        assert_eq!(object.member("d"), Some(Member::Text("xé".to_owned())));
        assert_eq!(object.member("e"), Some(Member::Number("-0.50")));
        assert_eq!((object.member("f"), object.member("g")), (None, None));
    }

    #[test]
    fn flags_are_the_two_words_and_nothing_like_them() {
        let text = br#"{"a": true, "b": false, "c": "true", "d": 1, "e": null, "f": [true]}"#;
        let object = JsonObject::parse(text).unwrap();
        let flags = ["a", "b", "c", "d", "e", "f", "g"].map(|name| object.flag(name));
        assert_eq!(flags, [Some(true), Some(false), None, None, None, None, None]);
    }

    #[test]
    fn texts_are_an_array_of_nothing_else() {
        let text = br#"{"a": ["x", "y"], "b": [], "c": ["x", 1], "d": "x", "e": null}"#;
        let object = JsonObject::parse(text).unwrap();
        assert_eq!(object.texts("a"), Some(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(object.texts("b"), Some(vec![]));
        for name in ["c", "d", "e", "f"] {
            assert_eq!(object.texts(name), None, "{name}");
        }
    }

    /// Nested as deep as a body is large, plainly and in the way that `serde_json`'s own escape allows.
    #[test]
    fn nesting_costs_no_stack() {
        let plain = format!("{{\"a\": {}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(JsonObject::parse(plain.as_bytes()).unwrap().member("a"), Some(Member::Other));
        let mut text = "1".to_owned();
        for _ in 0..70 {
            let inner = text.replace('\\', "\\u005c").replace('"', "\\u0022");
            let wrapped = format!("{{\"$serde_json::private::RawValue\":\"{inner}\"");
            text = format!("{}{wrapped}", "[".repeat(120));
        }
        let bomb = format!("{{\"a\":{text}");
        assert!(JsonObject::parse(bomb.as_bytes()).is_err());
        assert!(JsonObject::parse(text.as_bytes()).is_err());
        assert!(JsonObject::parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let object = JsonObject::parse("\u{feff}{\"a\": 1}".as_bytes()).unwrap();
        assert_eq!(object.member("a"), Some(Member::Number("1")));
    }

    #[test]
    fn half_a_surrogate_pair_is_told_from_other_types() {
        let text = br#"{"a": "cut \ud83d", "b": "\udc00", "c": "\ud83d\ude80"}"#;
        let object = JsonObject::parse(text).unwrap();
        assert_eq!(object.member("a"), Some(Member::BrokenText));
        assert_eq!(object.member("b"), Some(Member::BrokenText));
        assert_eq!(object.member("c"), Some(Member::Text("🚀".to_owned())));
    }

    #[test]
    fn other_json_is_no_object() {
        for text in ["", "[]", "1", "null", "{", "{\"a\":}", "{} x", "\u{feff}\u{feff}{}"] {
            assert!(
                matches!(JsonObject::parse(text.as_bytes()), Err(Error::Malformed(_))),
                "{text}"
            );
        }
        assert!(JsonObject::parse(b"{\"a\":\"\xff\"}").is_err());
    }
}
