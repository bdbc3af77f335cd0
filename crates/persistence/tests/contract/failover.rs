//! Servers that take no writes for a while: set to read-only, or a standby until it is promoted.

use std::time::{Duration, Instant};

use alpine_domain::{
    Error,
    account::{AccountStore as _, SignOut, UserId},
    ports::health::{Condition, Probe as _, Report},
};
use alpine_persistence::{Accounts, Database, DatabaseProbe, DatabaseSettings, Migrator};
use alpine_testing::{Wait, own_postgres};
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

use crate::support::{DatabaseBed, at, dawdle, new_account};

async fn report(database: &Database) -> Report {
    DatabaseProbe::new(database.clone()).probe().await
}

/// Reads are answered, writes refused for now, and health says so.
async fn assert_takes_no_writes(database: &Database, user: UserId) {
    let accounts = Accounts::new(database.clone());
    for _ in 0..3 {
        assert!(accounts.account(user).await.unwrap().is_some());
        let refused = accounts.revoke_all(user, SignOut::Sessions, at(0)).await;
        let Err(Error::Unavailable { what, retry_after, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((what, retry_after), ("writing to the database", Duration::from_secs(1)));
    }
    let expected = Report {
        condition: Condition::Degraded,
        detail: Some("the database takes no writes".to_owned()),
    };
    assert_eq!(report(database).await, expected);
}

/// Writes work again by themselves, and then always.
async fn assert_takes_writes_soon(database: &Database, user: UserId) {
    let accounts = Accounts::new(database.clone());
    let is_taken = async || match accounts.revoke_all(user, SignOut::Sessions, at(0)).await {
        Ok(_) => true,
        Err(Error::Unavailable { .. }) => false,
        Err(error) => panic!("{error:?}"),
    };
    let promise = "a host that takes writes is looked for once a second, `pool.rs`; the rest is for \
                   PostgreSQL's own reload or promotion and for a busy machine";
    Wait::promised(Duration::from_secs(5), Instant::now(), promise)
        .until("writes are taken", is_taken)
        .await;
    for _ in 0..20 {
        accounts.revoke_all(user, SignOut::Sessions, at(0)).await.unwrap();
    }
    assert_eq!(report(database).await, Report { condition: Condition::Up, detail: None });
}

/// Opens several connections at once, so that the pool has them idle.
async fn fill(database: &Database) {
    let busy: Vec<_> = (0..5)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                database
                    .read("hold", |_| {
                        dawdle(Duration::from_millis(100));
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    for task in busy {
        task.await.unwrap().unwrap();
    }
}

/// A session keeps the default that it started with: connections opened in the spell would stay
/// read-only for as long as they live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_opened_in_a_read_only_spell_do_not_outlive_it() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let user = bed.user("ada@example.com").await.id;
    let set = |state: &str| {
        let mut admin = PgConnection::establish(&bed.settings.url).unwrap();
        let name = bed.settings.url.rsplit_once('/').unwrap().1;
        admin.batch_execute("SET default_transaction_read_only = off").unwrap();
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {state}");
        admin.batch_execute(&sql).unwrap();
    };
    set("on");
    let database = bed.another(|_| ());
    fill(&database).await;
    assert_takes_no_writes(&database, user).await;
    set("off");
    assert_takes_writes_soon(&database, user).await;
}

/// Open sessions follow a reload: connections that took writes take none any more, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_set_to_read_only_and_back_is_written_again() {
    let Some(server) = own_postgres() else { return };
    let settings = DatabaseSettings::new(server.url());
    Migrator::connect(&settings).unwrap().run().unwrap();
    let database = Database::open(settings, &prometheus::Registry::new()).unwrap();
    let accounts = Accounts::new(database.clone());
    let user = accounts.create(new_account("ada@example.com")).await.unwrap().id;
    fill(&database).await;
    for _ in 0..2 {
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
        server.execute("SELECT pg_reload_conf()").unwrap();
        Wait::unpromised("a reload reaches a session of PostgreSQL when it is idle")
            .until("writes are refused", async || {
                accounts.revoke_all(user, SignOut::Sessions, at(0)).await.is_err()
            })
            .await;
        assert_takes_no_writes(&database, user).await;
        // ALTER SYSTEM takes no transaction, and several statements at once are one.
        let mut admin = PgConnection::establish(&server.url()).unwrap();
        admin.batch_execute("SET default_transaction_read_only = off").unwrap();
        admin.batch_execute("ALTER SYSTEM RESET default_transaction_read_only").unwrap();
        server.execute("SELECT pg_reload_conf()").unwrap();
        assert_takes_writes_soon(&database, user).await;
    }
}

/// With several hosts in the URL the one that takes writes is found, before and after a failover;
/// meanwhile the standby answers reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_found_behind_a_list_of_hosts() {
    let Some(mut primary) = own_postgres() else { return };
    let standby = primary.start_standby().unwrap();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    let settings = DatabaseSettings::new(format!("postgres://postgres@{hosts}/postgres"));
    Migrator::connect(&settings).unwrap().run().unwrap();
    let database = Database::open(settings, &prometheus::Registry::new()).unwrap();
    let accounts = Accounts::new(database.clone());
    // The standby stands first in the list; writes go to the primary all the same.
    let user = accounts.create(new_account("ada@example.com")).await.unwrap().id;
    fill(&database).await;
    Wait::unpromised("PostgreSQL replicates behind its answers")
        .until("the standby follows", async || {
            standby.execute("SELECT count(*) FROM users").ok().as_deref() == Some("1")
        })
        .await;
    primary.kill().unwrap();
    assert_takes_no_writes(&database, user).await;
    standby.promote().unwrap();
    assert_takes_writes_soon(&database, user).await;
}
