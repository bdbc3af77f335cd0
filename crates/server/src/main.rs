//! The binary `alpine`: reads the command line and does what it says.

use std::process::ExitCode;

use alpine_server::cli::{Cli, with_suggestions};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| with_suggestions(error).exit());
    match alpine_server::commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    { causes }.any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
