//! `docs/accounts.md` is true: its commands are run as they stand there.

use std::process::Command;

use crate::support::process::Process;

const PAGE: &str = include_str!("../../../../docs/accounts.md");

/// What stands in the blocks of commands, in their order.
fn commands() -> String {
    let blocks = PAGE.split("```sh\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_about_accounts_works() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let alpine = Process::start(&[("ALPINE__DATA_DIR", data.to_str().unwrap())]);
    let commands = commands();
    assert!(commands.matches("post ").count() > 8, "{commands}");
    let run = || {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &commands])
            .env("ALPINE", format!("http://{}", alpine.address))
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = tokio::task::block_in_place(run);
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
    let export = std::fs::read_to_string(folder.path().join("my-data.json")).unwrap();
    assert!(export.contains("ada@example.com") && !export.contains("argon2"), "{export}");
}
