//! Mutants that change nothing that anybody could notice, each with its reason.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::mutant::{Lines, Mutant};

/// Where they stand.
pub(super) const FILE: &str = "xtask/harmless-mutants.toml";

/// The list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Harmless {
    #[serde(default, rename = "mutant")]
    mutants: Vec<Entry>,
}

/// One mutant, or several alike on one line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    /// What cargo-mutants says that it changes, without the place.
    change: String,
    /// A part of the line on which it begins.
    line: String,
    reason: String,
}

impl Harmless {
    /// Reads the list of the tree.
    ///
    /// # Errors
    /// When it is no such list.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
        toml::from_str(&text).context(FILE)
    }

    /// Why a mutant is harmless, if it is one of these.
    pub(super) fn reason(&self, mutant: &Mutant, text: &str) -> Option<&str> {
        let line = Lines::of(text).line(mutant.span.start.line)?;
        let entry = self.mutants.iter().find(|entry| {
            entry.file == mutant.file
                && entry.change == mutant.change()
                && line.contains(&entry.line)
        });
        entry.map(|entry| entry.reason.as_str())
    }

    /// Proves that every entry still names a line of the tree; returns how many there are.
    ///
    /// # Errors
    /// Every entry that does not, or has no reason.
    pub(super) fn check(&self, root: &Path) -> Result<usize> {
        let mut problems = Vec::new();
        for entry in &self.mutants {
            let text = fs::read_to_string(root.join(&entry.file)).unwrap_or_default();
            if !text.lines().any(|line| line.contains(&entry.line)) {
                problems.push(format!("{FILE}: {}: no line holds `{}`", entry.file, entry.line));
            }
            if entry.reason.trim().is_empty() || entry.line.trim().is_empty() {
                problems.push(format!(
                    "{FILE}: {}: `{}` lacks a reason or a line",
                    entry.file, entry.change
                ));
            }
        }
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
        Ok(self.mutants.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::made::mutant::{Position, Span};

    fn list() -> Harmless {
        toml::from_str(
            "[[mutant]]\nfile = \"a.rs\"\nchange = \"replace < with <= in b\"\nline = \"x < 1\"\nreason = \"r\"",
        )
        .unwrap()
    }

    #[test]
    fn an_entry_is_a_change_on_a_line() {
        let at = Position { line: 2, column: 3 };
        let mutant = |file: &str, change: &str| Mutant {
            name: format!("{file}:2:3: {change}"),
            package: String::new(),
            file: file.to_owned(),
            span: Span { start: at, end: at },
            replacement: String::new(),
        };
        let (same, text) = (mutant("a.rs", "replace < with <= in b"), "fn b() {\nx < 1 }");
        assert_eq!(list().reason(&same, text), Some("r"));
        assert_eq!(list().reason(&same, "x < 1\nx < 2"), None);
        assert_eq!(list().reason(&mutant("b.rs", "replace < with <= in b"), text), None);
        assert_eq!(list().reason(&mutant("a.rs", "replace < with > in b"), text), None);
    }

    #[test]
    fn a_stale_entry_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let problem = "xtask/harmless-mutants.toml: a.rs: no line holds `x < 1`";
        assert_eq!(list().check(folder.path()).unwrap_err().to_string(), problem);
        fs::write(folder.path().join("a.rs"), "if x < 1 {").unwrap();
        assert_eq!(list().check(folder.path()).unwrap(), 1);
    }
}
