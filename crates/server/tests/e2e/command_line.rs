//! What an operator says on the command line, to the program itself.

use std::process::{Command, Output, Stdio};

use alpine_testing::Wait;

use crate::support::process::Process;

fn alpine(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alpine"));
    command.args(arguments).env_clear().envs(settings.iter().copied()).stdin(Stdio::null());
    command
}

fn told(output: &Output) -> (bool, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_health_check_needs_nothing_but_the_program() {
    let mut instance = Process::start(&[("ALPINE__SHUTDOWN__DRAIN", "0s")]);
    let bind = [("ALPINE__HTTP__BIND", instance.address.to_string())];
    let bind: Vec<_> = bind.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ready = told(&alpine(&["healthcheck"], &bind).output().unwrap());
    assert_eq!(ready, (true, "{\"status\":\"ready\"}\n".to_owned()));
    // The terminal is closed: an orderly stop.
    instance.signal(rustix::process::Signal::HUP);
    let ended = Wait::unpromised("nobody says how long an orderly stop takes")
        .until_some_blocking("it ends", || instance.ended());
    assert_eq!(ended.code(), Some(0), "{:?}", instance.log().last());
    let (is_ready, text) = told(&alpine(&["healthcheck"], &bind).output().unwrap());
    let expected = format!("error: no answer from {} (`http.bind`): ", instance.address);
    assert!(!is_ready && text.starts_with(&expected), "{text}");
}

/// `alpine config show | head -1` and its like.
#[test]
fn whoever_stops_reading_makes_no_noise() {
    for arguments in [&["config", "show"][..], &["completions", "bash"]] {
        let mut child =
            alpine(arguments, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(told(&output), (true, String::new()), "{arguments:?}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    let path = pages.to_str().unwrap();
    assert!(told(&alpine(&["man", path], &[]).output().unwrap()).0);
    let serve = std::fs::read_to_string(pages.join("alpine-serve.1")).unwrap();
    assert!(serve.contains("data\\-dir"), "{serve}");
    assert!(pages.join("alpine-migrate-revert.1").exists());
    let (_, bash) = told(&alpine(&["completions", "bash"], &[]).output().unwrap());
    assert!(bash.contains("--data-dir"), "{bash}");
}

#[test]
fn what_is_said_where_it_does_not_belong_is_refused() {
    let refused = |arguments: &[&str]| told(&alpine(arguments, &[]).output().unwrap());
    let (good, text) = refused(&["--port", "9", "config", "check"]);
    assert!(!good && text.contains("belong to `serve`"), "{text}");
    let variables = [("ALPINE_HTTP_BIND", "127.0.0.1:1"), ("PORT", "4")];
    let (good, text) = told(&alpine(&["config", "check"], &variables).output().unwrap());
    let meant = "warning: ALPINE_HTTP_BIND is not read; did you mean ALPINE__HTTP__BIND?\n\
                 warning: PORT is not read";
    assert!(good && text.contains(meant), "{text}");
}

/// What reads the log reads JSON and nothing else, from the first line on.
#[test]
fn warnings_at_the_start_are_lines_of_the_log() {
    let production = [("ALPINE__PROFILE", "production"), ("PORT", "4")];
    let instance = Process::start(&production);
    let text = instance.log_text();
    // The last line may be half written.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines: Vec<serde_json::Value> =
        whole.map(|line| serde_json::from_str(line).expect(line)).collect();
    for start in ["PORT is not read", "`mail.smtp` is empty"] {
        let is_it = |line: &serde_json::Value| {
            line["level"] == "WARN" && line["message"].as_str().unwrap().starts_with(start)
        };
        assert!(lines.iter().any(is_it), "{start} is missing in:\n{text}");
    }
}
