//! Every fuzz target: a function that takes bytes and panics when its law does not hold.
//!
//! `cargo xtask fuzz TARGET` builds this with libFuzzer and with `cfg(fuzzing)`, which opens what is private
//! to a crate, and says by [`CHOSEN`] which target runs. A file of this folder is a target, or serves some.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod batch;
#[cfg(fuzzing)]
mod cache;
#[cfg(fuzzing)]
mod configuration;
#[cfg(fuzzing)]
mod events;
#[cfg(fuzzing)]
mod http;
#[cfg(fuzzing)]
mod instants;
#[cfg(fuzzing)]
mod libpq;
#[cfg(fuzzing)]
mod limiter;
#[cfg(fuzzing)]
mod numbers;
#[cfg(fuzzing)]
mod oracle;
#[cfg(fuzzing)]
mod passwords;
#[cfg(fuzzing)]
mod producer;
#[cfg(fuzzing)]
mod query;
#[cfg(fuzzing)]
mod signal;
#[cfg(fuzzing)]
mod texts;
#[cfg(fuzzing)]
mod tokens;

/// The variable that names the target; empty to list all of them.
#[cfg(fuzzing)]
const CHOSEN: &str = "ALPINE_FUZZ_TARGET";

#[cfg(fuzzing)]
type Target = fn(&[u8]);

#[cfg(fuzzing)]
const TARGETS: &[(&str, Target)] = &[
    ("batch", batch::run),
    ("cache", cache::run),
    ("configuration", configuration::run),
    ("events", events::run),
    ("http", http::run),
    ("instants", instants::run),
    ("limiter", limiter::run),
    ("numbers", numbers::run),
    ("oracle", oracle::run),
    ("passwords", passwords::run),
    ("query", query::run),
    ("signal", signal::run),
    ("texts", texts::run),
    ("tokens", tokens::run),
];

/// The chosen target; ends the process when there is none.
#[cfg(fuzzing)]
fn chosen() -> Target {
    let name = std::env::var(CHOSEN).unwrap_or_default();
    if let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) {
        return *target;
    }
    for (known, _) in TARGETS {
        println!("{known}");
    }
    std::process::exit(i32::from(!name.is_empty()));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(init: { chosen(); }, |data: &[u8]| {
    static TARGET: std::sync::LazyLock<Target> = std::sync::LazyLock::new(chosen);
    TARGET(data);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("use cargo xtask fuzz: without cfg(fuzzing) there is no target");
}
