//! A list of mutants: what each changes in the tree, and the tests that must notice.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::switch;

/// The lists, by the name of the file.
pub(crate) const FOLDER: &str = "xtask/mutants";

/// What stands in a replacement for "this mutant is chosen".
const ON: &str = "{on}";

/// A list, as a file under [`FOLDER`] holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    #[serde(rename = "mutant")]
    pub(crate) mutants: Vec<Mutant>,
}

/// A wrong program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    /// How it is chosen.
    pub(crate) name: String,
    /// What the program lacks.
    pub(crate) without: String,
    /// Tests that must fail.
    pub(crate) tests: Vec<Test>,
    #[serde(rename = "edit")]
    edits: Vec<Edit>,
}

/// Replaces a text that occurs once in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    find: String,
    replace: String,
}

/// One test in its binary, written `PACKAGE/TARGET NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Test {
    pub(crate) binary: Binary,
    /// The path of modules and the function.
    pub(crate) name: String,
}

/// A program that cargo builds of tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binary {
    /// With its `alpine-`.
    pub(crate) package: String,
    /// `None`: the tests inside of the library.
    pub(crate) target: Option<String>,
}

impl Binary {
    /// Where the package is described, below the workspace's root.
    pub(crate) fn manifest(&self) -> String {
        format!("crates/{}/Cargo.toml", self.package.trim_start_matches("alpine-"))
    }
}

impl TryFrom<String> for Test {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let form = || format!("`{text}` is not of the form PACKAGE/TARGET NAME");
        let (binary, name) = text.split_once(' ').ok_or_else(form)?;
        let (package, target) = binary.split_once('/').ok_or_else(form)?;
        let target = (target != "lib").then(|| target.to_owned());
        let binary = Binary { package: format!("alpine-{package}"), target };
        Ok(Self { binary, name: name.to_owned() })
    }
}

impl List {
    /// Reads a list of the tree.
    ///
    /// # Errors
    /// When the file is not there or is no list.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let context = || path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(context)?;
        toml::from_str(&text).with_context(context)
    }

    /// The files that the mutants change, with all mutants in them; one is chosen when the program starts.
    ///
    /// # Errors
    /// Every edit that does not apply, and why.
    pub(crate) fn apply(&self, root: &Path) -> Result<BTreeMap<&str, String>> {
        let mut files = BTreeMap::new();
        let mut problems = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        for mutant in &self.mutants {
            if !names.insert(&mutant.name) {
                problems.push(format!("{}: the name is taken", mutant.name));
            }
            if mutant.tests.is_empty() || mutant.edits.is_empty() {
                problems.push(format!("{}: lacks tests or edits", mutant.name));
            }
            for edit in &mutant.edits {
                if !files.contains_key(edit.file.as_str()) {
                    let text = std::fs::read_to_string(root.join(&edit.file));
                    files.insert(edit.file.as_str(), text.unwrap_or_default());
                }
                let text = files.entry(edit.file.as_str()).or_default();
                let result = edit.apply(text, &mutant.name);
                problems
                    .extend(result.err().map(|e| format!("{}: {}: {e}", mutant.name, edit.file)));
            }
        }
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
        Ok(files)
    }
}

impl Edit {
    fn apply(&self, text: &mut String, mutant: &str) -> Result<(), String> {
        if !self.replace.contains(ON) {
            return Err(format!("the replacement lacks {ON}"));
        }
        match text.matches(&self.find).count() {
            1 => {}
            n => return Err(format!("`{}` occurs {n} times, not once", self.find)),
        }
        let on = switch::expression(mutant);
        *text = text.replacen(&self.find, &self.replace.replace(ON, &on), 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(edits: &str) -> List {
        let tests = r#"tests = ["infra/suite invariants::a", "domain/lib b"]"#;
        toml::from_str(&format!("[[mutant]]\nname = \"m\"\nwithout = \"x\"\n{tests}\n{edits}"))
            .unwrap()
    }

    #[test]
    fn tests_name_their_binary() {
        let list = list("edit = []");
        let [suite, lib] = list.mutants[0].tests.as_slice() else { panic!("two tests") };
        assert_eq!(suite.binary.package, "alpine-infra");
        assert_eq!(suite.binary.target.as_deref(), Some("suite"));
        assert_eq!(suite.name, "invariants::a");
        assert_eq!((lib.binary.package.as_str(), &lib.binary.target), ("alpine-domain", &None));
    }

    #[test]
    fn an_edit_applies_exactly_once_or_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), "fn a() { b(1) + b(2) }").unwrap();
        let edit = |file: &str, find: &str, replace: &str| {
            format!(
                "[[mutant.edit]]\nfile = \"{file}\"\nfind = \"{find}\"\nreplace = \"{replace}\"\n"
            )
        };
        for (edit, problem) in [
            (edit("a.rs", "b(", "c({on}"), "m: a.rs: `b(` occurs 2 times, not once"),
            (edit("a.rs", "d(", "c({on}"), "m: a.rs: `d(` occurs 0 times, not once"),
            (edit("b.rs", "b(", "c({on}"), "m: b.rs: `b(` occurs 0 times, not once"),
            (edit("a.rs", "b(1)", "c(1)"), "m: a.rs: the replacement lacks {on}"),
            ("edit = []".to_owned(), "m: lacks tests or edits"),
        ] {
            assert_eq!(list(&edit).apply(folder.path()).unwrap_err().to_string(), problem);
        }
        let good = list(&edit("a.rs", "b(1)", "if {on} { 0 } else { b(1) }"));
        let files = good.apply(folder.path()).unwrap();
        let text = &files["a.rs"];
        assert!(text.starts_with("fn a() { if std::convert::identity({ static ON: "), "{text}");
        assert!(text.ends_with("*ON }) { 0 } else { b(1) } + b(2) }"), "{text}");
    }
}
