//! Compiles the workspace's own crates for fuzzing: cargo calls this program in place of rustc.
//!
//! Only our crates count the branches that an input takes. Their dependencies stay as the tests have
//! them, so that none is compiled again.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, ExitCode},
};

/// Holds the path of the compiled libFuzzer, for cargo's calls only.
const LIBFUZZER: &str = "ALPINE_FUZZ_LIBFUZZER";

/// Counters of branches, their places, and the operands of comparisons, as libFuzzer reads them.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Copt-level=1",
];

/// Has cargo compile in this way.
pub(super) fn instrument(command: &mut Command, libfuzzer: &Path) -> std::io::Result<()> {
    command.env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?).env(LIBFUZZER, libfuzzer);
    Ok(())
}

/// Stands in for rustc if cargo calls it so.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let libfuzzer = std::env::var_os(LIBFUZZER)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let mut command = Command::new(rustc);
    let arguments: Vec<OsString> = arguments.collect();
    command.args(&arguments);
    // What is asked for by `-vV` or `--print` names no crate; build scripts run here and now.
    match crate_name(&arguments).and_then(OsStr::to_str) {
        None | Some("___" | "build_script_build") => {}
        Some(name) => {
            command.args(["--cfg", "fuzzing"]).args(COVERAGE);
            if name == "fuzz" {
                let mut external = OsString::from("libfuzzer_sys=");
                external.push(&libfuzzer);
                let mut dependencies = OsString::from("dependency=");
                dependencies.push(Path::new(&libfuzzer).parent()?);
                command.arg("--extern").arg(external).arg("-L").arg(dependencies);
            }
        }
    }
    let is_well = command.status().is_ok_and(|status| status.success());
    Some(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn crate_name(arguments: &[OsString]) -> Option<&OsStr> {
    let at = arguments.iter().position(|argument| argument == "--crate-name")?;
    arguments.get(at + 1).map(OsString::as_os_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_cargo_names_its_crate_or_none() {
        let name = |call: &str| {
            let arguments: Vec<OsString> = call.split(' ').map(OsString::from).collect();
            crate_name(&arguments).and_then(OsStr::to_str).map(str::to_owned)
        };
        let call = "--crate-name alpine_domain --edition=2024 crates/domain/src/lib.rs";
        assert_eq!(name(call).as_deref(), Some("alpine_domain"));
        assert_eq!(name("-vV"), None);
        assert_eq!(name("--edition=2024 --crate-name"), None);
    }
}
