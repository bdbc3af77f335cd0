//! Texts inside XML.

use std::fmt::{self, Write as _};

/// A text of somebody else's, as character data or between double quotes. What XML 1.0 has no place for, not even as a
/// reference, becomes U+FFFD; white space that a parser would change is written as a reference.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                '\t' | '\n' | '\r' => write!(self.0, "&#{};", u32::from(c))?,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.0.write_char('\u{fffd}')?,
                _ => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_text_ends_what_it_stands_in() {
        let text = "a<b>&\"c\"'d'\t\n\r\0\u{1b}\u{ffff}é🚀";
        let expected =
            "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;&#9;&#10;&#13;\u{fffd}\u{fffd}\u{fffd}é🚀";
        assert_eq!(Escaped(text).to_string(), expected);
    }

    proptest! {
        /// What is left is a text of XML 1.0 (section 2.2), and nothing in it is markup.
        #[test]
        fn what_is_written_is_character_data(text in any::<String>()) {
            let written = Escaped(&text).to_string();
            let is_char = |c: char| {
                matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            };
            prop_assert!(written.chars().all(is_char));
            prop_assert!(!written.contains(['<', '>', '"', '\'']));
        }
    }
}
