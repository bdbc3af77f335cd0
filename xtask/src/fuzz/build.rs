//! Builds the fuzz targets.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use super::rustc;

/// The program of all targets; libFuzzer is built below `folder`.
///
/// # Errors
/// When a C++ compiler is missing, or something does not compile.
pub(super) fn program(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let has_compiler = Command::new(&compiler).arg("--version").output().is_ok();
    if !has_compiler {
        bail!("libFuzzer needs a C++ compiler, and there is no {compiler}; install g++ or clang");
    }
    let mut library = crate::workspace::cargo();
    library.args(["build", "--manifest-path", "fuzz/libfuzzer/Cargo.toml", "--target-dir"]);
    library.arg(folder.join("libfuzzer"));
    let library = built(&mut library, "libfuzzer_sys", |artifact| {
        artifact.filenames.iter().find(|name| name.extension() == Some("rlib")).cloned()
    })?;

    let mut targets = crate::workspace::cargo();
    // Of the whole workspace, so that its features are those of all tests.
    targets.args(["test", "--no-run", "--workspace", "--test", "fuzz"]);
    rustc::instrument(&mut targets, &library)?;
    built(&mut targets, "fuzz", |artifact| artifact.executable.clone())
}

/// What a build made of one of cargo's targets.
fn built(
    command: &mut Command,
    name: &str,
    pick: impl Fn(&cargo_metadata::Artifact) -> Option<cargo_metadata::camino::Utf8PathBuf>,
) -> Result<PathBuf> {
    command.args(["--quiet", "--locked", "--message-format=json-render-diagnostics"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{name} does not build");
    }
    for message in Message::parse_stream(&output.stdout[..]) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == name
            && let Some(path) = pick(&artifact)
        {
            return Ok(path.into_std_path_buf());
        }
    }
    None.with_context(|| format!("cargo made no {name}"))
}
