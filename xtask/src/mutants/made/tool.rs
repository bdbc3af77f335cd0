//! cargo-mutants: what makes the mutants. It is installed below `target`, for this tree alone.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::mutant::Mutant;

/// Another version makes other mutants, so it is changed on purpose only.
const VERSION: &str = "27.0.0";

/// Which mutants are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// With its `alpine-`; every crate that `.cargo/mutants.toml` does not leave out, if there is none.
    pub(super) package: Option<String>,
    /// A file with a difference: only mutants of its lines.
    pub(super) changed: Option<PathBuf>,
    /// A regular expression of their names.
    pub(super) named: Option<&'a str>,
}

/// The mutants of the tree, in the order of its files.
///
/// # Errors
/// When the tool cannot be installed, or fails.
pub(super) fn list(wanted: &Wanted<'_>) -> Result<Vec<Mutant>> {
    let mut command = Command::new(installed()?);
    command.args(["mutants", "--list", "--json", "--dir"]).arg(crate::workspace::root());
    match &wanted.package {
        Some(package) => command.arg("--package").arg(package),
        None => command.arg("--workspace"),
    };
    command.args(wanted.changed.iter().flat_map(|file| ["--in-diff".as_ref(), file.as_os_str()]));
    command.args(wanted.named.iter().flat_map(|expression| ["--re", expression]));
    let output = command.stdin(Stdio::null()).output().context("cargo-mutants")?;
    if !output.status.success() {
        bail!("cargo-mutants: {}", String::from_utf8_lossy(&output.stderr));
    }
    // A change without mutants is told in words, on the other stream.
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    read(&output.stdout)
}

fn read(json: &[u8]) -> Result<Vec<Mutant>> {
    serde_json::from_slice(json).context("what cargo-mutants lists")
}

/// Where the program lies.
fn installed() -> Result<PathBuf> {
    let root = crate::workspace::root().join("target/tools");
    let program = root.join("bin/cargo-mutants");
    let version = Command::new(&program).args(["mutants", "--version"]).output();
    if version
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim_end().ends_with(VERSION))
    {
        return Ok(program);
    }
    println!("installing cargo-mutants {VERSION} into target/tools");
    let mut command = crate::workspace::cargo();
    command.args(["install", "--quiet", "--locked", "cargo-mutants", "--version"]);
    command.arg(format!("={VERSION}")).arg("--root").arg(&root);
    let status = command.stdin(Stdio::null()).status().context("cargo install")?;
    if !status.success() {
        bail!("cargo-mutants {VERSION} could not be installed");
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::mutants::made::mutant::{Mutant, Position, Span};

    #[test]
    fn what_the_tool_lists_is_read() {
        let json = br#"[{"package": "alpine-domain", "file": "crates/domain/src/a.rs",
            "function": {"function_name": "b", "return_type": "", "span": {}},
            "span": {"start": {"line": 3, "column": 9}, "end": {"line": 3, "column": 10}},
            "replacement": "-", "genre": "BinaryOperator", "diff": "x",
            "name": "crates/domain/src/a.rs:3:9: replace + with - in b"}]"#;
        let position = |column| Position { line: 3, column };
        let expected = Mutant {
            name: "crates/domain/src/a.rs:3:9: replace + with - in b".to_owned(),
            package: "alpine-domain".to_owned(),
            file: "crates/domain/src/a.rs".to_owned(),
            span: Span { start: position(9), end: position(10) },
            replacement: "-".to_owned(),
        };
        assert_eq!(read(json).unwrap(), [expected]);
    }
}
