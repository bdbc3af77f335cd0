//! Operators' mistakes: each is told in words, ends with another status than 0, and changes nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alpine_persistence::{DatabaseSettings, Migrator};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::support::process::Process;

/// What the folder holds in which a mistake is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Empty,
    /// A database of Alpine with an account and a producer.
    Ours,
    /// One that a newer release has changed.
    Newer,
    /// One that lacks the last migration of tables.
    Older,
    /// The database of the Python original, under Alpine's name.
    Original,
}
use Place::{Empty, Newer, Older, Original, Ours};

/// Where, what is said on the command line, settings, and what is told.
type Mistake = (Place, &'static str, &'static [(&'static str, &'static str)], &'static str);

const NO_DATABASE: &str =
    "there is no database at ./data/alpine.db: `alpine serve` or `alpine migrate run` makes one";
const PRODUCTION: &[(&str, &str)] = &[("ALPINE__PROFILE", "production")];
const NOBODY: &[(&str, &str)] = &[("DATABASE_URL", "postgresql+asyncpg://u:secret@127.0.0.1:1/db")];

#[rustfmt::skip]
const MISTAKES: &[Mistake] = &[
    // In another folder.
    (Empty, "producer create bot", &[], NO_DATABASE),
    (Empty, "producer list", &[], NO_DATABASE),
    (Empty, "admin create --email a@example.com", &[], NO_DATABASE),
    (Empty, "user list", &[], NO_DATABASE),
    (Empty, "user show a@example.com", &[], NO_DATABASE),
    (Empty, "sessions revoke-all", &[], NO_DATABASE),
    (Empty, "backup copy.db", &[], NO_DATABASE),
    (Empty, "jobs list", &[], NO_DATABASE),
    (Empty, "rollups verify", &[], NO_DATABASE),
    (Empty, "two-factor off a@example.com", &[], NO_DATABASE),
    (Empty, "import users users.csv", &[], NO_DATABASE),
    (Empty, "stripe sync", &[], NO_DATABASE),
    (Empty, "migrate status", &[], NO_DATABASE),
    (Empty, "migrate revert", &[], NO_DATABASE),
    (Empty, "migrate redo", &[], NO_DATABASE),
    (Empty, "producer list", PRODUCTION, NO_DATABASE),

    // Settings.
    (Empty, "serve", PRODUCTION, "`secrets.jwt` is missing: set JWT_SECRET"),
    (Empty, "serve --demo", &[("ALPINE__PROFILE", "production"), ("JWT_SECRET", crate::support::SECRET)], "--demo makes accounts whose passwords it prints"),
    (Empty, "serve --bind example.com:1", &[], "must be an IP address and a port"),
    (Empty, "serve --port 99999", &[], "99999 is not in 0..=65535"),
    (Empty, "--port 9 producer list", &[], "belong to `serve`"),
    (Empty, "producer list", &[("DATABASE_URL", "mysql://h/db")], "must start with sqlite:, postgres:// or postgresql://"),
    (Empty, "producer list", NOBODY, "127.0.0.1"),
    (Empty, "migrate run", NOBODY, "postgres://u:***@127.0.0.1:1/db"),
    (Empty, "config check --connect", &[("REDIS_URL", "redis://127.0.0.1:1")], "Redis is not reachable"),
    (Empty, "config check", &[("ALPINE__HTTP__BNID", "1")], "did you mean `http.bind`?"),
    (Empty, "healthcheck --port 1", &[], "no answer from 127.0.0.1:1 (`--port`)"),

    // Words of other programs.
    (Empty, "start", &[], "'serve'"),
    (Empty, "users list", &[], "'user'"),
    (Empty, "dump", &[], "'backup'"),
    (Empty, "status", &[], "'healthcheck'"),
    (Empty, "demo", &[], "'serve --demo'"),

    // Schemas.
    (Ours, "migrate revert --count 200", &[], "nothing was reverted: what these migrations made would be lost"),
    (Ours, "migrate revert --count 200 --data-loss 0036_record_sums", &[], "would be lost"),
    (Ours, "migrate revert --data-loss 0036_record_sums", &[], "--data-loss names what would stay: 0036_record_sums"),
    (Ours, "migrate grant alpine", &[], "is SQLite, which has no roles"),
    (Newer, "serve --port 0", &[], "has migrations that this version does not know (0099)"),
    (Newer, "migrate run", &[], "has migrations that this version does not know (0099)"),
    (Newer, "producer create bot", &[], "has migrations that this version does not know (0099)"),
    (Newer, "migrate revert --count 200", &[], "would be lost"),
    (Older, "producer create bot", &[], "the database lacks 1 migrations; run `alpine migrate run`"),
    (Older, "serve --port 0", &[("ALPINE__DATABASE__MIGRATE_ON_START", "false")], "the database lacks 1 migrations"),
    (Original, "serve --port 0", &[], "is the database of the Python original"),
    (Original, "migrate run", &[], "alpine import users FILE"),

    // Copies.
    (Ours, "backup taken", &[], "exists already; name a new file"),
    (Ours, "restore taken", &[], "is no copy that `alpine backup` made"),
    (Ours, "restore absent", &[], "No such file"),
    (Empty, "restore absent", &[], "No such file"),

    // Names.
    (Ours, "user show nobody@example.com", &[], "account not found"),
    (Ours, "user set-tier ada@example.com gold --reason r", &[], "invalid value 'gold'"),
    (Ours, "user set-tier ada@example.com pro", &[], "--reason"),
    (Ours, "user reset-password nobody@example.com", &[], "account not found"),
    (Ours, "user disable nobody@example.com --reason r", &[], "account not found"),
    (Ours, "admin create --email ada@example.com", &[], "--promote"),
    (Ours, "admin create --email ada", &[], "email"),
    (Ours, "producer create bot", &[], "bot"),
    (Ours, "producer create Bot!", &[], "lower-case"),
    (Ours, "producer rotate nobody", &[], "producer not found"),
    (Ours, "producer disable nobody", &[], "producer not found"),
    (Ours, "two-factor off nobody@example.com", &[], "account not found"),
    (Ours, "jobs retry 7", &[], "not found"),
    (Ours, "import users taken", &[], "the first line must name the columns"),

    // Of producers.
    (Empty, "sign absent", &[], "cannot read absent"),
    (Ours, "sign taken", &[], "line 1: body is not a JSON object"),
    (Ours, "feed taken --key k", &[], "is not a JSON object"),
    (Ours, "feed signal --key k --url http://127.0.0.1:1", &[], "gave up on http://127.0.0.1:1"),
    (Ours, "verify taken", &[], "taken"),
];

/// What stands in the file `signal`.
const SIGNAL: &str =
    r#"{"signal_id": "S", "exit_price": 1, "exit_timestamp": "2025-01-15T10:30:00Z"}"#;

fn alpine(folder: &Path, line: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
        .args(line.split(' '))
        .env_clear()
        .envs(settings.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn database(folder: &Path) -> PathBuf {
    folder.join("data").join("alpine.db")
}

/// A folder of each kind, of which copies are made: making a database takes longer than copying it.
fn place(kind: Place) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("taken"), "a,b\n1,2\n").unwrap();
    std::fs::write(folder.path().join("signal"), SIGNAL).unwrap();
    if kind == Empty {
        std::fs::remove_file(folder.path().join("taken")).unwrap();
        std::fs::remove_file(folder.path().join("signal")).unwrap();
        return folder;
    }
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let file = database(folder.path());
    let execute = |sql: &str| {
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        conn.batch_execute(sql).unwrap();
    };
    if kind == Original {
        execute("CREATE TABLE users (id INTEGER, hashed_password TEXT)");
        return folder;
    }
    let good = |line: &str| {
        let (is_good, text) = alpine(folder.path(), line, &[]);
        assert!(is_good, "{line}: {text}");
        text
    };
    assert!(good("migrate run").starts_with("apply 0001"));
    assert!(good("producer create bot").contains("key, shown this once: alp_p_"));
    good("admin create --email ada@example.com");
    match kind {
        Newer => execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('0099')"),
        Older => {
            let mut migrator = migrator(folder.path());
            let last = migrator.last(1).unwrap();
            assert_eq!(migrator.revert(1).unwrap(), last);
        }
        _ => {}
    }
    folder
}

fn migrator(folder: &Path) -> Migrator {
    let url = format!("sqlite:{}", database(folder).display());
    Migrator::connect(&DatabaseSettings::new(url)).unwrap()
}

/// Every file but those of SQLite's journal, and every row of the database.
fn state(folder: &Path, kind: Place) -> (BTreeMap<PathBuf, u64>, BTreeMap<String, i64>) {
    fn add(folder: &Path, files: &mut BTreeMap<PathBuf, u64>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_journal = ["-wal", "-shm", "-serving"].iter().any(|end| name.ends_with(end));
            if entry.file_type().unwrap().is_dir() {
                // What `serve` keeps for the next start.
                if name != "secrets" {
                    add(&entry.path(), files);
                }
            } else if !is_journal {
                let size = if name == "alpine.db" { 0 } else { entry.metadata().unwrap().len() };
                files.insert(entry.path(), size);
            }
        }
    }
    let mut files = BTreeMap::new();
    add(folder, &mut files);
    let rows = match kind {
        Empty | Original => BTreeMap::new(),
        _ => {
            let mut migrator = migrator(folder);
            let mut rows = migrator.count_rows().unwrap();
            for migration in migrator.status().unwrap() {
                rows.insert(migration.name, i64::from(migration.is_applied));
            }
            rows
        }
    };
    (files, rows)
}

#[test]
fn every_mistake_is_told_and_changes_nothing() {
    let mut wrong = Vec::new();
    for kind in [Empty, Ours, Newer, Older, Original] {
        let folder = place(kind);
        let before = state(folder.path(), kind);
        for (_, line, settings, expected) in MISTAKES.iter().filter(|(place, ..)| *place == kind) {
            let (is_good, text) = alpine(folder.path(), line, settings);
            if is_good || !text.contains(expected) || text.contains("panicked") {
                wrong.push(format!("{kind:?}, alpine {line}: {is_good}, {expected:?} in {text}"));
            }
            if text.contains("secret@") {
                wrong.push(format!("alpine {line} tells the password: {text}"));
            }
            let after = state(folder.path(), kind);
            if after != before {
                wrong.push(format!("{kind:?}, alpine {line} changed {before:?} to {after:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every command says on which database it works, wherever it stands, and not in what programs read.
#[test]
fn commands_name_their_database() {
    let folder = place(Ours);
    for (line, said) in [
        ("producer list", "bot: enabled"),
        ("user list", "ada@example.com: elite, admin"),
        ("user show ada@example.com", "role               admin"),
        ("migrate status", "applied 0001_accounts"),
        ("backup copy.db", "read back to their end"),
        ("sessions revoke-all", "signed everybody out"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .args(line.split(' '))
            .env_clear()
            // A command signs nothing.
            .env("ALPINE__PROFILE", "production")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{line}: {told:?}");
        assert!(told[0].contains(said) && !told[0].contains("database:"), "{line}: {told:?}");
        assert_eq!(told[1], "database: SQLite, ./data/alpine.db\n", "{line}");
    }
    assert!(!folder.path().join("data").join("secrets").exists(), "no command makes a secret");
}

/// A key that was lost, a password that was forgotten, tables that shall go: what is meant is done.
#[test]
fn what_is_meant_is_done() {
    let folder = place(Ours);
    let good = |line: &str| {
        let (is_good, text) = alpine(folder.path(), line, &[]);
        assert!(is_good, "{line}: {text}");
        text
    };
    let text = good("user reset-password ada@example.com");
    assert!(text.contains("password, shown this once: "), "{text}");
    good("user set-tier ada@example.com pro --reason paid");
    assert!(good("user list --tier pro").contains("1 of 1 accounts"));
    assert!(good("user list --tier free").contains("0 of 0 accounts"));
    assert!(good("user list --search ad").contains("ada@example.com: pro"));
    let mut migrator = migrator(folder.path());
    let all = migrator.status().unwrap();
    let indexes = all.iter().filter(|it| it.name.as_str() > "0100").count();
    good(&format!("migrate revert --count {indexes}"));
    let text = good("migrate revert --data-loss 0040_record_sums_bytes");
    assert!(text.starts_with("revert 0040_record_sums_bytes\n"), "{text}");
    assert!(good("migrate run").contains("apply 0040_record_sums_bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_one_server_and_keeps_its_tables_while_it_serves() {
    let alpine = Process::start(&[]);
    let told = |arguments: &[&str]| {
        let mut command = alpine.command(arguments);
        let output = command.env("ALPINE__HTTP__BIND", "127.0.0.1:0").output().unwrap();
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let secret = crate::support::SECRET;
    let mut second = alpine.command(&["serve"]);
    let second = second.env("ALPINE__HTTP__BIND", "127.0.0.1:0").env("JWT_SECRET", secret);
    let output = second.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("another process serves from"), "{text}");
    assert!(told(&["backup", "copy.db"]).0, "a copy is taken while it serves");
    let (is_good, text) = told(&["restore", "copy.db"]);
    assert!(!is_good && text.contains("another process serves from"), "{text}");
    let all = alpine_persistence::Migrator::connect(&DatabaseSettings::new(format!(
        "sqlite:{}",
        alpine.folder().join("alpine.db").display()
    )));
    let all = all.unwrap().status().unwrap();
    let indexes = all.iter().filter(|migration| migration.name.as_str() > "0100").count();
    let count = (indexes + 1).to_string();
    let lost = ["migrate", "revert", "--count", &count, "--data-loss", "0040_record_sums_bytes"];
    let (is_good, text) = told(&lost);
    assert!(!is_good && text.contains("stop the server first"), "{text}");
    let health = reqwest::get(format!("http://{}/health", alpine.address)).await.unwrap();
    assert_eq!(health.status(), 200);
}
