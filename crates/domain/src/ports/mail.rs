//! Mail to people.

use async_trait::async_trait;

use crate::{Error, Result};

/// A mail to one person, in two forms that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    to: String,
    subject: String,
    text: String,
    html: String,
}

impl Mail {
    /// A mail to this address. Address and subject become lines of the head: they hold no character that
    /// would begin another one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `to` or `subject`.
    pub fn new(to: &str, subject: &str, text: String, html: String) -> Result<Self> {
        for (field, line) in [("to", to), ("subject", subject)] {
            if line.is_empty() || line.contains(char::is_control) {
                return Err(Error::invalid(field, "must be one line"));
            }
        }
        Ok(Self { to: to.to_owned(), subject: subject.to_owned(), text, html })
    }

    /// The address.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// What it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same as HTML.
    pub fn html(&self) -> &str {
        &self.html
    }
}

/// Hands mail to whoever delivers it.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands it over, within a time that the adapter bounds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a later try may succeed; [`Error::Invalid`] when the mail is refused
    /// for good.
    async fn send(&self, mail: &Mail) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_head_becomes_two() {
        let made = |to: &str, subject: &str| {
            Mail::new(to, subject, "a\nb".to_owned(), String::new()).is_ok()
        };
        assert!(made("ada@example.com", "Another password"));
        for broken in ["", "a\nBcc: eve@example.com", "a\r\nb", "a\u{85}b", "a\0b"] {
            assert!(!made(broken, "Another password"), "{broken:?}");
            assert!(!made("ada@example.com", broken), "{broken:?}");
        }
    }
}
