//! Builds tests with mutants in them, all in one build, so that they share their dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Result, bail};
use cargo_metadata::{
    Message,
    diagnostic::{Diagnostic, DiagnosticLevel},
};

use super::list::Binary;

/// What became of a build.
pub(super) enum Built {
    /// Where each program lies.
    Programs(BTreeMap<Binary, PathBuf>),
    /// What the compiler refused.
    Refused(Vec<Diagnostic>),
}

/// Builds the programs of a tree.
///
/// # Errors
/// When cargo does not start, or fails although the compiler refused nothing.
pub(super) fn build(tree: &Path, artifacts: &Path, wanted: &BTreeSet<&Binary>) -> Result<Built> {
    let mut command = crate::workspace::cargo();
    command.current_dir(tree).env("CARGO_TARGET_DIR", artifacts);
    command.args(["test", "--no-run", "--quiet", "--message-format=json", "--locked"]);
    // All that the compiler refuses, not only what it refuses first.
    command.arg("--no-fail-fast").args(binary_flags(wanted));
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    let (mut programs, mut refused) = (BTreeMap::new(), Vec::new());
    for message in Message::parse_stream(&output.stdout[..]) {
        match message? {
            Message::CompilerArtifact(artifact) if artifact.profile.test => {
                let binary = wanted.iter().find(|binary| {
                    let library = binary.package.replace('-', "_");
                    artifact.target.name == *binary.target.as_deref().unwrap_or(&library)
                        && artifact.manifest_path.ends_with(binary.manifest())
                });
                if let (Some(binary), Some(program)) = (binary, artifact.executable) {
                    programs.insert((*binary).clone(), program.into_std_path_buf());
                }
            }
            Message::CompilerMessage(message)
                if matches!(
                    message.message.level,
                    DiagnosticLevel::Error | DiagnosticLevel::Ice
                ) =>
            {
                refused.push(message.message);
            }
            _ => {}
        }
    }
    if output.status.success() {
        return Ok(Built::Programs(programs));
    }
    if refused.is_empty() {
        bail!("the tests do not build: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Built::Refused(refused))
}

/// What cargo is told to build. It takes `--lib` once only, and means every package then.
fn binary_flags(wanted: &BTreeSet<&Binary>) -> BTreeSet<String> {
    let packages = wanted.iter().map(|binary| format!("--package={}", binary.package));
    let targets = wanted.iter().map(|binary| match &binary.target {
        Some(target) => format!("--test={target}"),
        None => "--lib".to_owned(),
    });
    packages.chain(targets).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Binary, binary_flags};

    #[test]
    fn cargo_is_told_each_thing_once() {
        let binary = |package: &str, target: Option<&str>| {
            let (package, target) = (package.to_owned(), target.map(str::to_owned));
            Binary { package, target }
        };
        let all = [binary("a", None), binary("b", None), binary("b", Some("suite"))];
        let flags = binary_flags(&all.iter().collect::<BTreeSet<_>>());
        let expected = ["--lib", "--package=a", "--package=b", "--test=suite"];
        assert_eq!(flags.into_iter().collect::<Vec<_>>(), expected);
    }
}
