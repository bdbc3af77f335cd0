//! Users' API keys.

use alpine_domain::{
    Error, Timestamp,
    account::{ApiKey, ApiKeyId, NewApiKey, UserId},
    error::ConflictKind,
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    keys_read_back_until_they_end,
    the_limit_holds_under_concurrent_creation,
    a_key_is_revoked_by_its_owner_only,
);

fn new_key(owner: UserId, hash: &str, seconds: i64, expires_at: Option<Timestamp>) -> NewApiKey {
    NewApiKey {
        key: ApiKey {
            id: ApiKeyId::generate(at(seconds), random()),
            owner,
            name: "bot".parse().unwrap(),
            prefix: "alp_1234".to_owned(),
            scopes: vec!["signals:read".to_owned(), "signals:export".to_owned()],
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
