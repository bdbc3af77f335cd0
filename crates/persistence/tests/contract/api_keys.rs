//! Users' API keys.

use std::{sync::mpsc, time::Duration};

use alpine_domain::{
    Error, Timestamp,
    account::{ApiKey, ApiKeyId, NewApiKey, Scopes, SignOut, UserId},
    error::ConflictKind,
};

use alpine_persistence::Unit;
use diesel::connection::SimpleConnection as _;

use crate::support::{Bed, DatabaseBed, at, dawdle, on_every, random};

on_every!(
    keys_read_back_until_they_end,
    the_limit_holds_under_concurrent_creation,
    a_key_is_revoked_by_its_owner_only,
    signing_out_everywhere_ends_keys_where_that_is_asked_for;
    databases:
    who_is_signed_out_with_everybody_makes_no_key_meanwhile,
);

fn new_key(owner: UserId, hash: &str, seconds: i64, expires_at: Option<Timestamp>) -> NewApiKey {
    NewApiKey {
        key: ApiKey {
            id: ApiKeyId::generate(at(seconds), random()),
            owner,
            name: "bot".parse().unwrap(),
            prefix: "alp_1234".to_owned(),
            scopes: Scopes::from_stored("stream account"),
            created_at: at(seconds),
            expires_at,
        },
        key_hash: hash.to_owned(),
        generation: 0,
    }
}

async fn keys_read_back_until_they_end(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let old = new_key(ada.id, "h1", 0, None);
    let new = new_key(ada.id, "h2", 1, Some(at(50)));
    bed.api_keys.create(old.clone(), 5).await.unwrap();
    bed.api_keys.create(new.clone(), 5).await.unwrap();
    let listed = bed.api_keys.list(ada.id, at(10)).await.unwrap();
    assert_eq!(listed, [new.key.clone(), old.key.clone()]);
    assert_eq!(bed.api_keys.by_hash("h2", at(49)).await.unwrap(), Some(new.key));
    assert_eq!(bed.api_keys.by_hash("h2", at(50)).await.unwrap(), None);
    assert_eq!(bed.api_keys.by_hash("h3", at(10)).await.unwrap(), None);
    assert_eq!(bed.api_keys.list(ada.id, at(50)).await.unwrap(), [old.key]);
    assert_eq!(bed.kinds().await, ["api_keys_changed", "api_keys_changed"]);
}

async fn the_limit_holds_under_concurrent_creation(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let creations: Vec<_> = (0..5)
        .map(|n| {
            let (keys, key) = (bed.api_keys.clone(), new_key(ada.id, &format!("h{n}"), n, None));
            tokio::spawn(async move { keys.create(key, 2).await })
        })
        .collect();
    let mut refused = 0;
    for creation in creations {
        match creation.await.unwrap() {
            Ok(()) => {}
            Err(Error::Conflict(conflict)) => {
                assert_eq!(conflict.kind, ConflictKind::LimitReached);
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 3);
    assert_eq!(bed.api_keys.list(ada.id, at(10)).await.unwrap().len(), 2);
}

async fn a_key_is_revoked_by_its_owner_only(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    let key = new_key(ada.id, "h", 0, None);
    bed.api_keys.create(key.clone(), 1).await.unwrap();
    let foreign = bed.api_keys.revoke(bob.id, key.key.id, at(1)).await;
    assert!(matches!(foreign, Err(Error::NotFound(_))));
    bed.api_keys.revoke(ada.id, key.key.id, at(1)).await.unwrap();
    let again = bed.api_keys.revoke(ada.id, key.key.id, at(2)).await;
    assert!(matches!(again, Err(Error::NotFound(_))));
    assert_eq!(bed.api_keys.by_hash("h", at(2)).await.unwrap(), None);
    // A revoked key makes room.
    bed.api_keys.create(new_key(ada.id, "h2", 3, None), 1).await.unwrap();
}

async fn signing_out_everywhere_ends_keys_where_that_is_asked_for(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    for (owner, hash) in [(ada.id, "a1"), (ada.id, "a2"), (bob.id, "b1")] {
        bed.api_keys.create(new_key(owner, hash, 0, None), 2).await.unwrap();
    }
    let good = async |now| {
        let found = ["a1", "a2", "b1"].map(|hash| bed.api_keys.by_hash(hash, now));
        let [a1, a2, b1] = found;
        [a1.await, a2.await, b1.await].map(|key| key.unwrap().is_some())
    };
    let before = bed.kinds().await.len();
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
    assert_eq!(good(at(1)).await, [true; 3]);
    assert_eq!(bed.kinds().await[before..], ["account_changed"]);
    bed.accounts.revoke_all(ada.id, SignOut::SessionsAndKeys, at(2)).await.unwrap();
    assert_eq!(good(at(2)).await, [false, false, true]);
    assert_eq!(bed.kinds().await[before + 1..], ["account_changed", "api_keys_changed"]);
    assert_eq!(bed.api_keys.list(ada.id, at(2)).await.unwrap(), []);
    assert_eq!(bed.api_keys.list(bob.id, at(2)).await.unwrap().len(), 1);
}

/// The key's transaction comes while the other is under way, and must not go by what was before it.
async fn who_is_signed_out_with_everybody_makes_no_key_meanwhile(bed: DatabaseBed) {
    let ada = bed.user("ada@example.com").await;
    let (began, has_begun) = mpsc::channel();
    let database = bed.database.clone();
    let sign_out = tokio::spawn(async move {
        let work = move |unit: &mut Unit<'_>| {
            unit.conn.batch_execute("UPDATE database_identity SET generation = generation + 1")?;
            began.send(()).unwrap();
            dawdle(Duration::from_millis(300));
            Ok(())
        };
        database.write("test", work).await.unwrap();
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let made = bed.api_keys.create(new_key(ada.id, "h", 0, None), 5).await;
    sign_out.await.unwrap();
    assert!(matches!(made, Err(Error::Unauthenticated(_))), "{made:?}");
    assert_eq!(bed.api_keys.list(ada.id, at(1)).await.unwrap(), []);
}

/// One account's key waits for that account's row; nobody else's waits with it. SQLite has one writer anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_different_accounts_are_made_at_the_same_time() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    let (began, has_begun) = mpsc::channel();
    let (let_go, is_let_go) = mpsc::channel::<()>();
    let is_let_go = std::sync::Mutex::new(is_let_go);
    let database = bed.database.clone();
    let holder = tokio::spawn(async move {
        let work = move |unit: &mut Unit<'_>| {
            let hold = format!("UPDATE users SET generation = generation WHERE id = '{}'", ada.id);
            unit.conn.batch_execute(&hold)?;
            began.send(()).unwrap();
            is_let_go.lock().unwrap().recv().unwrap();
            Ok(())
        };
        database.write("test", work).await.unwrap();
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let (keys, key) = (bed.api_keys.clone(), new_key(ada.id, "ada's", 0, None));
    let waiting = tokio::spawn(async move { keys.create(key, 5).await });
    let waits = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) \
                 LOOP PERFORM pg_sleep(0.01); END LOOP; END $$";
    bed.execute(waits).await.unwrap();
    let bobs = bed.api_keys.create(new_key(bob.id, "bob's", 0, None), 5);
    // Waiting would last until the statement's deadline; a busy machine is forgiven some seconds.
    let made = tokio::time::timeout(Duration::from_secs(10), bobs).await;
    assert!(matches!(made, Ok(Ok(()))), "{made:?}");
    assert!(!waiting.is_finished());
    let_go.send(()).unwrap();
    waiting.await.unwrap().unwrap();
    holder.await.unwrap();
}
