//! The C library's allocator is told to give back what is free, unless the operator chose.

use crate::support::process::Process;

const SETTINGS: [&str; 3] =
    ["MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];

/// The settings of a program that was started with these. That it serves under the process id of the
/// start shows that it is the same process.
fn settings(given: &[(&str, &str)]) -> [Option<String>; 3] {
    let alpine = Process::start(given);
    SETTINGS.map(|name| alpine.variable(name))
}

#[test]
fn an_arena_for_each_core_and_little_that_is_free() {
    let cores = std::thread::available_parallelism().unwrap().get().max(2).to_string();
    let few = [cores.as_str(), "4194304", "1048576"].map(|value| Some(value.to_owned()));
    assert_eq!(settings(&[]), few);
    let chosen = Some("7".to_owned());
    assert_eq!(settings(&[("MALLOC_ARENA_MAX", "7")]), [chosen, None, None]);
    assert_eq!(settings(&[("GLIBC_TUNABLES", "glibc.malloc.arena_max=7")]), [None, None, None]);
}
