//! What a change is: the difference to an earlier commit, as far as this clone knows one.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What to look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// All that differs from this commit, uncommitted changes included, and why it is this one.
    Since(String, &'static str),
    /// There is no earlier commit: everything.
    None(String),
}

/// Chooses the commit that the tree is compared with.
///
/// # Errors
/// When git does not start.
pub(super) fn choose(wanted: Option<&str>) -> Result<Base> {
    let mut unknown = String::new();
    if let Some(wanted) = wanted {
        if let Some(commit) = commit(wanted)? {
            return Ok(Base::Since(commit, "as asked for"));
        }
        unknown = format!("{wanted} is no commit of this clone; ");
    }
    let Some(head) = commit("HEAD")? else {
        return Ok(Base::None(format!("{unknown}this is no clone that git can read")));
    };
    let merge = git(&["merge-base", "origin/main", "HEAD"])?.map(|text| text.trim().to_owned());
    if let Some(merge) = merge.filter(|merge| *merge != head) {
        return Ok(Base::Since(merge, "where this branch left origin/main"));
    }
    if git(&["diff", "--quiet", "HEAD", "--", "*.rs"])?.is_none() {
        return Ok(Base::Since(head, "the last commit, since there are changes after it"));
    }
    Ok(match commit("HEAD^")? {
        Some(previous) => Base::Since(previous, "the previous commit"),
        None => Base::None(format!("{unknown}this clone holds no earlier commit")),
    })
}

/// The change since a commit, as cargo-mutants reads it.
///
/// # Errors
/// When git cannot tell it.
pub(super) fn difference(since: &str) -> Result<String> {
    let arguments = ["diff", "--no-color", "--no-ext-diff", "--find-renames", since, "--", "*.rs"];
    git(&arguments)?.with_context(|| format!("git cannot compare with {since}"))
}

/// Files that git does not know yet, which no difference names.
///
/// # Errors
/// When git does not start.
pub(super) fn unknown_files() -> Result<Vec<String>> {
    let files = git(&["ls-files", "--others", "--exclude-standard", "--", "crates/*.rs"])?;
    Ok(files.unwrap_or_default().lines().map(str::to_owned).collect())
}

/// The commit's full name; what no clone knows is `None`.
pub(super) fn commit(name: &str) -> Result<Option<String>> {
    let found = git(&[
        "rev-parse",
        "--quiet",
        "--verify",
        "--end-of-options",
        &format!("{name}^{{commit}}"),
    ])?;
    Ok(found.map(|text| text.trim().to_owned()))
}

/// What git prints; `None` if it fails.
fn git(arguments: &[&str]) -> Result<Option<String>> {
    let mut command = Command::new("git");
    // A clone of another user, as in a container, is read all the same: nothing of it is run.
    let root = crate::workspace::root();
    command.arg("-c").arg(format!("safe.directory={}", root.display())).args(arguments);
    let output = match command.current_dir(root).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => bail!("git: {error}"),
    };
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
