//! A process may end while connections are being opened: it ends with its own code.

use std::{env, process, thread, time::Duration};

use alpine_persistence::{DatabaseSettings, Migrator};

use crate::support::postgres_url;

const URL_OF_THE_CHILD: &str = "ALPINE_TEST_EXIT_URL";

/// Only the test below runs this, in a process of its own.
#[test]
#[ignore = "is a part of the next test"]
fn child() {
    let url = env::var(URL_OF_THE_CHILD).unwrap();
    for _ in 0..4 {
        let settings = DatabaseSettings::new(url.clone());
        thread::spawn(move || {
            loop {
                let _connection = Migrator::connect(&settings);
            }
        });
    }
    thread::sleep(Duration::from_millis(20));
    process::exit(0);
}

/// OpenSSL's clean-up at exit took away what the pool's threads were using: 2 of 726 tests ended with
/// SIGSEGV or SIGABRT although they had passed, and so could a server that was told to stop.
#[test]
fn ending_while_connections_are_opened_does_not_crash() {
    let Some(url) = postgres_url() else { return };
    for round in 0..20 {
        let ended = process::Command::new(env::current_exe().unwrap())
            .args(["--exact", "exit::child", "--ignored", "--nocapture"])
            .env(URL_OF_THE_CHILD, &url)
            .output()
            .unwrap();
        assert!(ended.status.success(), "round {round}: {ended:?}");
    }
}
