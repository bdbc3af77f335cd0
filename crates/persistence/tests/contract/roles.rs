//! The role that serves owns nothing, and can do everything that the service does.

use alpine_domain::{
    account::{AccountStore as _, SignOut},
    ports::events::EventLog as _,
    producer::ProducerStore as _,
    signal::{SignalReader as _, SignalStore as _},
};
use alpine_persistence::{
    Accounts, Database, DatabaseSettings, Events, Migrator, Producers, Signals,
};
use alpine_testing::own_postgres;
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

use crate::support::{at, new_account, outcome, signal};

fn missing_rights_are_told(looking: &mut Migrator, migrator: &mut Migrator) {
    let rights = looking.role_rights().unwrap().unwrap();
    assert!(!rights.suffice() && rights.lacking.len() >= 10, "{rights:?}");
    let text = rights.to_string();
    let users = "SELECT, INSERT, UPDATE, DELETE on public.users";
    for part in [
        "the role \"alpine app\" lacks",
        "on public.__diesel_schema_migrations",
        "`alpine migrate grant 'alpine app'`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let of_users = rights.lacking.iter().find(|(table, _)| table == "public.users").unwrap();
    assert_eq!(format!("{} on {}", of_users.1, of_users.0), users);
    let owners = migrator.role_rights().unwrap().unwrap();
    assert_eq!((owners.suffice(), owners.excess()), (true, Some("owns the tables")));
}

/// And what the role needs not is not asked for.
fn each_right_that_is_taken_is_told(looking: &mut Migrator, url: impl Fn(&str) -> String) {
    let rights = looking.role_rights().unwrap().unwrap();
    assert_eq!((rights.suffice(), rights.excess()), (true, None), "{rights}");

    let mut shell = PgConnection::establish(&url("alpine_owner")).unwrap();
    for (right, table, told) in [
        ("DELETE", "events", ("public.events", "DELETE")),
        ("INSERT, UPDATE", "users", ("public.users", "INSERT, UPDATE")),
        ("UPDATE (is_active)", "signals", ("public.signals", "UPDATE (is_active)")),
        ("SELECT", "__diesel_schema_migrations", ("public.__diesel_schema_migrations", "SELECT")),
    ] {
        shell.batch_execute(&format!("REVOKE {right} ON {table} FROM \"alpine app\"")).unwrap();
        let rights = looking.role_rights().unwrap().unwrap();
        assert_eq!(rights.lacking, [(told.0.to_owned(), told.1.to_owned())]);
        shell.batch_execute(&format!("GRANT {right} ON {table} TO \"alpine app\"")).unwrap();
    }
    shell.batch_execute("CREATE TABLE of_somebody_else (id BIGINT)").unwrap();
    assert!(looking.role_rights().unwrap().unwrap().suffice());
    let superuser = DatabaseSettings::new(url("postgres"));
    let rights = Migrator::connect(&superuser).unwrap().role_rights().unwrap().unwrap();
    let both = "owns the tables and may switch triggers off";
    assert_eq!((rights.suffice(), rights.excess()), (true, Some(both)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_that_serves_owns_nothing() {
    let Some(server) = own_postgres() else { return };
    for sql in [
        "CREATE ROLE alpine_owner LOGIN",
        "CREATE ROLE \"alpine app\" LOGIN",
        "CREATE DATABASE alpine OWNER alpine_owner",
    ] {
        server.execute(sql).unwrap();
    }
    let url = |role: &str| format!("postgres://{role}@127.0.0.1:{}/alpine", server.port());
    let owner = DatabaseSettings::new(url("alpine_owner"));
    let app = DatabaseSettings::new(url("alpine%20app"));

    // Before anything is granted: the errors teach.
    let mut looking = Migrator::connect(&app).unwrap();
    assert!(looking.status().unwrap().iter().all(|migration| !migration.is_applied));
    let mut migrator = Migrator::connect(&owner).unwrap();
    migrator.run().unwrap();
    let database = Database::open(app.clone(), &prometheus::Registry::new()).unwrap();
    let refused = Producers::new(database.clone()).list().await.unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("permission denied") && text.contains("alpine migrate grant"), "{text}");
    missing_rights_are_told(&mut looking, &mut migrator);
    migrator.grant("alpine app").unwrap();
    migrator.grant("alpine app").unwrap();
    each_right_that_is_taken_is_told(&mut looking, url);

    // Starting finds the schema complete, whatever migrate_on_start says.
    assert!(looking.status().unwrap().iter().all(|migration| migration.is_applied));
    assert!(Migrator::connect(&app).unwrap().run().unwrap().is_empty());

    let (producers, signals) = (Producers::new(database.clone()), Signals::new(database.clone()));
    let argo = producers.ensure(&"argo".parse().unwrap(), "k", false, at(0)).await.unwrap();
    let news = vec![signal(&argo, "SIG-1", 0), signal(&argo, "SIG-2", 0)];
    assert_eq!(signals.accept(news.clone()).await.unwrap().len(), 2);
    signals.record_outcome(outcome(&news[0], "110", 5)).await.unwrap();
    let expired =
        signals.expire(at(90_000), std::time::Duration::from_hours(1), &[], 10).await.unwrap();
    assert!(signals.find(expired[0]).await.unwrap().unwrap().outcome.is_some());
    signals.record_outcome(outcome(&news[1], "110", 5)).await.unwrap();
    assert!(signals.find(expired[0]).await.unwrap().unwrap().late_outcome.is_some());
    let accounts = Accounts::new(database.clone());
    let user = accounts.create(new_account("ada@example.com")).await.unwrap().id;
    accounts.revoke_all(user, SignOut::Sessions, at(1)).await.unwrap();
    let events = Events::new(database);
    assert!(events.head().await.unwrap() > 0);
    assert!(events.prune_chunk(at(100_000), 0).await.unwrap().0 > 0);

    let mut shell = PgConnection::establish(&url("alpine%20app")).unwrap();
    for sql in [
        "UPDATE signals SET entry_price = '1'",
        "UPDATE signals SET id = DEFAULT",
        "DELETE FROM signals",
        "TRUNCATE signals CASCADE",
        "UPDATE outcomes SET exit_price = '1'",
        "DELETE FROM outcomes",
        "UPDATE late_outcomes SET exit_price = '1'",
        "DELETE FROM late_outcomes",
        "TRUNCATE late_outcomes",
        "UPDATE signal_id_key SET key = ''",
        "DELETE FROM signal_id_key",
        "DELETE FROM __diesel_schema_migrations",
        "CREATE TABLE mine (id BIGINT)",
        "CREATE INDEX mine ON signals (symbol)",
    ] {
        let error = shell.batch_execute(sql).expect_err(sql).to_string();
        assert!(
            error.contains("permission denied") || error.contains("must be owner"),
            "{sql}: {error}"
        );
    }
    for sql in [
        "ALTER TABLE signals DISABLE TRIGGER ALL",
        "DROP TRIGGER signals_update ON signals",
        "ALTER TABLE signals ADD COLUMN mine BIGINT",
        "DROP TABLE signals CASCADE",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
        "SET session_replication_role = replica",
    ] {
        let error = shell.batch_execute(sql).expect_err(sql).to_string();
        assert!(
            error.contains("must be owner") || error.contains("permission denied"),
            "{sql}: {error}"
        );
    }
    // A signal closes once, and never opens again.
    let error = shell.batch_execute("UPDATE signals SET is_active = true").unwrap_err().to_string();
    assert!(error.contains("immutable"), "{error}");
}
