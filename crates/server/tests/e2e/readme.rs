//! The first minutes of `README.md` are true: their commands are run as they stand there, within a minute.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::process::Process;

const PAGE: &str = include_str!("../../../../README.md");

/// The blocks of commands between two headings.
fn commands() -> String {
    let part = PAGE.split("## Three first minutes").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = part.split("```sh\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_minutes_of_three_people_work_as_printed() {
    let alpine = Process::start(&[]);
    let program = Path::new(env!("CARGO_BIN_EXE_alpine")).parent().unwrap();
    let begun = Instant::now();
    let run = || {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &commands()])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("ALPINE", format!("http://{}", alpine.address))
            .env("ALPINE__DATA_DIR", alpine.folder())
            .current_dir(alpine.folder())
            .output()
            .unwrap()
    };
    let output = tokio::task::block_in_place(run);
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
    for words in [
        r#""visibility":{"tier":"free","delay_seconds":900"#,
        r#""external_signal_id":"SIG-1""#,
        r#""result":"closed""#,
        r#""status":"target_hit""#,
        "the configuration is good",
        "you@example.com is an administrator now",
        "ada@example.com is enabled and has the tier pro",
        "read back to their end",
    ] {
        assert!(told[0].contains(words), "{words} is missing in:\n{}", told[0]);
    }
    // The promise of the page; a busy machine takes a second or two.
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}
