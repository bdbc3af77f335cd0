//! `alpine import users`: nobody has to set another password.

use std::{path::Path, process::Command};

use alpine_domain::ports::secrets::{HashPriority, PasswordHasher as _};
use alpine_infra::{
    InfraMetrics,
    secrets::{Argon2Hasher, HashSettings},
};
use serde_json::json;

use crate::support::{Client, process::Process};

/// A hash of [`Client::PASSWORD`] as the Python original made it.
async fn originals_hash() -> String {
    let original = HashSettings { memory_kib: 65_536, parallelism: 2, ..HashSettings::default() };
    let metrics = InfraMetrics::register(&prometheus::Registry::new()).unwrap();
    let hasher = Argon2Hasher::new(original, metrics).unwrap();
    hasher.hash(Client::PASSWORD, HashPriority::Known).await.unwrap()
}

/// Whether it succeeded, what it printed, and what it complained of.
fn import(folder: &Path, file: &str, more: &[&str]) -> (bool, String, String) {
    std::fs::write(folder.join("users.csv"), file).unwrap();
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_alpine"));
    let migrate = migrate.args(["migrate", "run"]).env_clear().env("ALPINE__DATA_DIR", folder);
    assert!(migrate.current_dir(folder).output().unwrap().status.success());
    let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
        .args(["import", "users", "users.csv"])
        .args(more)
        .env_clear()
        .env("ALPINE__DATA_DIR", folder)
        .env("ALPINE__LOGGING__FILTER", "error")
        .current_dir(folder)
        .output()
        .unwrap();
    let [told, complained] =
        [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    let lines = complained.split_inclusive('\n').filter(|line| !line.starts_with("database: "));
    (output.status.success(), told, lines.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_the_original_sign_in_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let hash = originals_hash().await;
    let file = format!(
        "id,email,hashed_password,full_name,tier,is_active,is_verified,created_at,last_login\n\
         1,Ada@Example.com,\"{hash}\",Ada,PRO,1,True,2024-05-01 10:30:00.123456,\n\
         2,gone@example.com,\"{hash}\",,free,false,0,2024-05-01T10:30:00Z,\n"
    );
    let (is_good, told, complained) = import(folder.path(), &file, &["--dry-run"]);
    assert!(is_good, "{complained}");
    assert!(
        told.starts_with("2 accounts could be imported, 0 lines are refused; nothing"),
        "{told}"
    );
    let (is_good, told, complained) = import(folder.path(), &file, &[]);
    assert!(is_good, "{complained}");
    assert_eq!(told, "2 accounts imported, 0 were there already, 0 lines refused\n");
    assert!(complained.contains("these columns are not read: id, last_login"), "{complained}");
    let (is_good, told, _) = import(folder.path(), &file, &[]);
    assert!(is_good);
    assert_eq!(told, "0 accounts imported, 2 were there already, 0 lines refused\n");

    let alpine = Process::start(&[("ALPINE__DATA_DIR", folder.path().to_str().unwrap())]);
    let anybody = Client::new(&format!("http://{}", alpine.address));
    for _ in 0..2 {
        let ada = anybody.sign_in("ada@example.com").await;
        assert_eq!((&ada.user["tier"], &ada.user["full_name"]), (&json!("pro"), &json!("Ada")));
        let me = anybody.with_token(&ada.access_token).get("auth/me").await.expect(200);
        assert_eq!((&me["is_verified"], &me["role"]), (&json!(true), &json!("user")));
        assert_eq!(me["created_at"], "2024-05-01T10:30:00.123456Z");
    }
    let disabled = json!({"email": "gone@example.com", "password": Client::PASSWORD});
    assert_eq!(anybody.post("auth/login", &disabled).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_named_and_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let hash = originals_hash().await;
    let costly = hash.replace("m=65536", "m=4194304");
    let (is_good, _, complained) = import(folder.path(), "hashed_password;x\n", &[]);
    assert!(!is_good && complained.contains("must name the columns"), "{complained}");
    let file = format!(
        "email,hashed_password,tier,is_active,created_at\n\
         a@example.com,\"{hash}\",free,true,\n\
         nobody,\"{hash}\",free,true,\n\
         b@example.com,$2b$12$abcdefghijklmnopqrstuv,free,true,\n\
         c@example.com,\"{costly}\",free,true,\n\
         d@example.com,\"{hash}\",platinum,true,\n\
         e@example.com,\"{hash}\",free,perhaps,\n\
         f@example.com,\"{hash}\",free,true,2999-01-01\n\
         g@example.com,\"{hash}\"\n\
         h@example.com,\"{hash}\",elite,false,2024-01-01 00:00:00\n"
    );
    for (kept, there) in [(2, 0), (0, 2)] {
        let (is_good, told, complained) = import(folder.path(), &file, &[]);
        assert!(!is_good);
        let expected =
            format!("{kept} accounts imported, {there} were there already, 7 lines refused\n");
        assert_eq!(told, expected, "{complained}");
        for reason in [
            "line 3: email: ",
            "line 4: hashed_password: must be an argon2id hash",
            "line 5: hashed_password: costs too much to check",
            "line 6: tier: ",
            "line 7: is_active: must be true or false",
            "line 8: created_at: must be an instant",
            "line 9: ",
        ] {
            assert!(complained.contains(reason), "{reason}: {complained}");
        }
        assert!(!complained.contains("argon2id$v=19$m=65536,t=2,p=2$a"), "no hash is shown");
    }
}
