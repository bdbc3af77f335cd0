//! The query string of one request.

use std::fmt::{Display, Write as _};

use alpine_domain::{Error, Result, error::Refusals};

use super::pairs;

/// The parameters of one request. Those that nobody asks for are ignored; what they may be is said by
/// [`Parameters`](super::parameter::Parameters).
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
    /// [`Error::Malformed`] when it is not readable.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            pairs: pairs::parse(text.as_bytes(), "query")?,
            refusals: Refusals::default(),
            canonical: String::with_capacity(64),
        })
    }

    /// The text of a parameter. One that is given twice is refused, since two readers could each
    /// see another one.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.pairs.iter_mut().filter(|(key, _)| key == name);
        let first = values.next().map(|(_, value)| std::mem::take(value));
        if values.next().is_some() {
            self.refusals.add(name, "must be given once at most");
            return None;
        }
        first
    }

    /// The value, or a refusal of the parameter.
    pub(super) fn check<T>(
        &mut self,
        name: &'static str,
        result: Result<T, impl Display>,
    ) -> Option<T> {
        self.refusals.check(name, result)
    }

    pub(super) fn refuse(&mut self, name: &'static str, reason: &'static str) {
        self.refusals.add(name, reason);
    }

    /// Notes a value. Lengths stand before values, so that no two requests share one text.
    pub(super) fn note(&mut self, name: &str, value: &impl Display) {
        let start = self.canonical.len();
        // Writing into a string does not fail.
        let _ = write!(self.canonical, "{value}");
        let mut length = itoa::Buffer::new();
        let length = length.format(self.canonical.len() - start);
        let mut at = start;
        for part in [name, "=", length, ":"] {
            self.canonical.insert_str(at, part);
            at += part.len();
        }
        self.canonical.push(';');
    }

    /// Notes that a parameter is not given.
    pub(super) fn note_missing(&mut self, name: &str) {
        self.canonical.push_str(name);
        self.canonical.push_str("=-1:;");
    }

    /// Everything that was read, in one canonical form.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every refused parameter.
    pub fn finish(self) -> Result<String, Error> {
        self.refusals.into_result()?;
        Ok(self.canonical)
    }
}
