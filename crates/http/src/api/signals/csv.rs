//! Lines of CSV (RFC 4180) that no spreadsheet takes for formulas.

use std::{fmt::Display, io::Write as _};

/// A line on its way.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Row<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, is_first: true }
    }

    fn next_cell(&mut self) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
    }

    /// A number, a word or a time of ours, which needs neither quotes nor an apostrophe.
    pub(super) fn plain(&mut self, value: impl Display) -> &mut Self {
        self.next_cell();
        // Writing to memory cannot fail.
        let _ = write!(self.out, "{value}");
        self
    }

    /// The same, of one that is written already.
    pub(super) fn word(&mut self, word: &str) -> &mut Self {
        self.next_cell();
        self.out.extend_from_slice(word.as_bytes());
        self
    }

    pub(super) fn optional_word(&mut self, word: Option<&str>) -> &mut Self {
        self.word(word.unwrap_or_default())
    }

    pub(super) fn optional(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.plain(value),
            None => self.plain(""),
        }
    }

    /// A text of somebody else's.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.next_cell();
        write_text(self.out, text);
        self
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        self.text(text.unwrap_or_default())
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A cell of text. One that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV
/// injection), and so does one that begins with an apostrophe: who reads takes one off, whatever follows.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let needs_mark = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    let needs_quotes = text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if needs_quotes {
        out.push(b'"');
    }
    if needs_mark {
        out.push(b'\'');
    }
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> String {
        let mut out = Vec::new();
        write_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_are_disarmed_and_other_text_is_not_touched() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("=cmd|'a',\"b\""), "\"'=cmd|'a',\"\"b\"\"\"");
        assert_eq!(cell("\tx"), "'\tx");
        assert_eq!(cell("'x"), "''x");
        assert_eq!(cell("BTC-USD"), "BTC-USD");
        assert_eq!(cell("2025-01-15T10:30:00+00:00"), "2025-01-15T10:30:00+00:00");
    }

    #[test]
    fn a_line_has_its_cells_in_order() {
        let mut out = Vec::new();
        let mut row = Row::new(&mut out);
        row.plain(-1).optional(None::<u8>).optional(Some(2)).text("-1").optional_text(None);
        row.end();
        assert_eq!(String::from_utf8(out).unwrap(), "-1,,2,'-1,\r\n");
    }

    proptest! {
        /// Reading a cell back gives the text, and no cell starts like a formula.
        #[test]
        fn cells_read_back(text in any::<String>()) {
            let written = cell(&text);
            let inner = if let Some(rest) = written.strip_prefix('"') {
                rest.strip_suffix('"').unwrap().replace("\"\"", "\"")
            } else {
                let is_plain = !written.contains([',', '\r', '\n']);
                prop_assert!(is_plain);
                written
            };
            let is_formula = inner.starts_with(['=', '+', '-', '@', '\t', '\r']);
            prop_assert!(!is_formula);
            prop_assert_eq!(inner.strip_prefix('\'').unwrap_or(&inner), &text);
        }
    }
}
