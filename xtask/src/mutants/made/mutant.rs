//! A mutant as `cargo mutants --list --json` describes it, and where it stands.

use serde::Deserialize;

/// A wrong program, made by cargo-mutants.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Mutant {
    /// The file, the place and what is changed.
    pub(super) name: String,
    /// With its `alpine-`.
    pub(super) package: String,
    /// Below the workspace's root.
    pub(super) file: String,
    /// What is replaced.
    pub(super) span: Span,
    /// The text in its place.
    pub(super) replacement: String,
}

impl Mutant {
    /// What is changed, without the place, which moves with every line above it.
    pub(super) fn change(&self) -> &str {
        self.name.split_once(": ").map_or(&self.name, |(_, change)| change)
    }
}

/// From the first character to the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Span {
    pub(super) start: Position,
    pub(super) end: Position,
}

/// Both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Finds the bytes of positions in one text.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The bytes of a span; `None` where the text is shorter.
    pub(super) fn bytes(&self, span: Span) -> Option<std::ops::Range<usize>> {
        let range = self.byte(span.start)?..self.byte(span.end)?;
        (range.start <= range.end).then_some(range)
    }

    /// The text of a line, counted from 1.
    pub(super) fn line(&self, number: usize) -> Option<&'a str> {
        self.text.get(*self.starts.get(number.checked_sub(1)?)?..)?.lines().next()
    }

    fn byte(&self, at: Position) -> Option<usize> {
        let start = *self.starts.get(at.line.checked_sub(1)?)?;
        let rest = self.text.get(start..)?;
        let column = at.column.checked_sub(1)?;
        let ends = rest.char_indices().map(|(byte, _)| byte).chain([rest.len()]);
        Some(start + ends.into_iter().nth(column)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let lines = Lines::of("aé = 1;\nb\n");
        let at = |line, column| Position { line, column };
        let bytes = |start, end| lines.bytes(Span { start, end });
        assert_eq!(bytes(at(1, 2), at(1, 3)), Some(1..3));
        assert_eq!(bytes(at(1, 4), at(2, 2)), Some(4..10));
        assert_eq!(bytes(at(2, 2), at(1, 4)), None);
        assert_eq!(bytes(at(1, 1), at(9, 1)), None);
        assert_eq!(
            (lines.line(1), lines.line(2), lines.line(4)),
            (Some("aé = 1;"), Some("b"), None)
        );
    }

    #[test]
    fn a_change_has_no_place() {
        let start = Position { line: 1, column: 1 };
        let mutant = Mutant {
            name: "crates/a/src/b.rs:1:2: replace + with - in A::b".to_owned(),
            package: "alpine-a".to_owned(),
            file: "crates/a/src/b.rs".to_owned(),
            span: Span { start, end: start },
            replacement: "-".to_owned(),
        };
        assert_eq!(mutant.change(), "replace + with - in A::b");
    }
}
