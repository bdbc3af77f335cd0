//! A deleted account is over at once; what is personal of it is erased later, and nothing of anybody else.

use alpine_domain::{
    Error,
    account::{
        Account, ApiKey, ApiKeyId, Deletion, KeyName, MailPurpose, MailToken, NewApiKey, Role,
        Scopes, Tier, placeholder,
    },
    error::ConflictKind,
    jobs::{Job, JobCounts, NewJob},
    notification::KeptQuery,
};

use crate::support::{Bed, at, new_account, on_every, random};

on_every!(
    a_deleted_account_is_over_at_once,
    its_address_is_anybodys_again,
    nothing_is_deleted_without_the_password_or_twice,
    the_last_administrator_stays,
    of_two_administrators_at_once_one_stays,
    what_is_personal_is_erased_in_steps_and_nobody_elses,
    who_is_not_deleted_is_not_erased,
    who_was_enabled_again_is_not_erased,
    each_deletion_has_its_own_time,
);

fn deletion(account: &Account, seconds: i64) -> Deletion {
    Deletion {
        user: account.id,
        proved_by: "hash".to_owned(),
        now: at(seconds),
        erase_at: at(seconds + 100),
        jobs: vec![NewJob::new(Job::ErasureDue { user: account.id }, at(seconds))],
    }
}

async fn key(bed: &Bed, owner: &Account, hash: &str) {
    let key = ApiKey {
        id: ApiKeyId::generate(at(0), random()),
        owner: owner.id,
        name: "bot".parse::<KeyName>().unwrap(),
        prefix: "alp_u_x".to_owned(),
        scopes: Scopes::UNNAMED,
        created_at: at(0),
        expires_at: None,
    };
    let new = NewApiKey { key, key_hash: hash.to_owned(), generation: owner.generation };
    bed.api_keys.create(new, 100).await.unwrap();
}

async fn a_deleted_account_is_over_at_once(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let eve = bed.user("eve@example.com").await;
    for owner in [&ada, &eve] {
        bed.session(owner.id, owner.email.as_str()).await;
        key(&bed, owner, owner.email.as_str()).await;
        let token = MailToken {
            user: owner.id,
            email: owner.email.clone(),
            purpose: MailPurpose::Reset,
            token_hash: owner.email.as_str().to_owned(),
            created_at: at(0),
            expires_at: at(100),
        };
        assert!(bed.accounts.put_mail_token(token).await.unwrap());
    }
    let before = bed.kinds().await.len();
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    assert_eq!(bed.kinds().await[before..], ["account_changed", "api_keys_changed"]);
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 1, failed: 0 });
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!((state.is_active, state.generation), (false, ada.generation + 1));
    assert!(bed.accounts.sessions(ada.id, at(6), 10).await.unwrap().is_empty());
    assert!(bed.api_keys.by_hash("ada@example.com", at(6)).await.unwrap().is_none());
    assert!(bed.accounts.credentials(&ada.email).await.unwrap().is_none());
    let found = bed.accounts.mail_token_account(MailPurpose::Reset, "ada@example.com", at(6)).await;
    assert!(found.unwrap().is_none());
    let stored = bed.accounts.account(ada.id).await.unwrap().unwrap();
    assert_eq!(stored.email.as_str(), placeholder(ada.id));
    assert_eq!(bed.deletions.deleted_address(ada.id).await.unwrap(), Some(ada.email));
    // The other one goes on.
    assert_eq!(bed.accounts.sessions(eve.id, at(6), 10).await.unwrap().len(), 1);
    assert!(bed.api_keys.by_hash("eve@example.com", at(6)).await.unwrap().is_some());
    assert!(bed.deletions.deleted_address(eve.id).await.unwrap().is_none());
}

async fn its_address_is_anybodys_again(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    let again = bed.accounts.create(new_account("ada@example.com")).await.unwrap();
    assert_ne!(again.id, ada.id);
    bed.deletions.delete(deletion(&again, 6)).await.unwrap();
    bed.user("ada@example.com").await;
}

async fn nothing_is_deleted_without_the_password_or_twice(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let wrong = Deletion { proved_by: "another".to_owned(), ..deletion(&ada, 5) };
    let refused = bed.deletions.delete(wrong).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    assert_eq!(bed.accounts.account(ada.id).await.unwrap(), Some(ada.clone()));
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    let refused = bed.deletions.delete(deletion(&ada, 6)).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(_)), "{refused}");
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 1, failed: 0 });
}

async fn admin(bed: &Bed, email: &str) -> Account {
    let account = bed.user(email).await;
    bed.accounts.set_tier_and_role(account.id, Tier::Free, Role::Admin, at(1)).await.unwrap()
}

async fn the_last_administrator_stays(bed: Bed) {
    let ada = admin(&bed, "ada@example.com").await;
    let refused = bed.deletions.delete(deletion(&ada, 5)).await.unwrap_err();
    let is_last = matches!(&refused, Error::Conflict(it) if it.kind == ConflictKind::LastAdmin);
    assert!(is_last, "{refused}");
    let eve = admin(&bed, "eve@example.com").await;
    bed.deletions.delete(deletion(&ada, 6)).await.unwrap();
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 1);
    bed.deletions.delete(deletion(&eve, 7)).await.unwrap_err();
}

async fn of_two_administrators_at_once_one_stays(bed: Bed) {
    let (ada, eve) = (admin(&bed, "ada@example.com").await, admin(&bed, "eve@example.com").await);
    let (one, other) = tokio::join!(
        bed.deletions.delete(deletion(&ada, 5)),
        bed.deletions.delete(deletion(&eve, 5))
    );
    assert_eq!([one, other].iter().filter(|it| it.is_ok()).count(), 1);
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 1);
}

async fn what_is_personal_is_erased_in_steps_and_nobody_elses(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let eve = bed.user("eve@example.com").await;
    for owner in [&ada, &eve] {
        for n in 0..5 {
            bed.session(owner.id, &format!("{n} of {}", owner.email.as_str())).await;
        }
        for n in 0..3 {
            key(&bed, owner, &format!("{n} of {}", owner.email.as_str())).await;
        }
        for tier in [Tier::Starter, Tier::Pro, Tier::Elite, Tier::Free, Tier::Pro] {
            bed.accounts.set_tier_and_role(owner.id, tier, Role::User, at(1)).await.unwrap();
        }
    }
    let eve = bed.accounts.account(eve.id).await.unwrap().unwrap();
    let told = async |user| {
        let query = KeptQuery { user, unread_only: false, after: None, limit: 10 };
        bed.notifications.page(query).await.unwrap().total
    };
    assert_eq!([told(ada.id).await, told(eve.id).await], [5, 5]);
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    let mut steps = 0;
    while !bed.deletions.erase(ada.id, "unknown".to_owned(), 2, at(200)).await.unwrap() {
        steps += 1;
        assert!(steps < 10);
        // Until the end it is known whom to tell.
        assert!(bed.deletions.deleted_address(ada.id).await.unwrap().is_some());
    }
    assert!(steps >= 1, "not all at once");
    assert!(bed.deletions.deleted_address(ada.id).await.unwrap().is_none());
    let erased = bed.accounts.account(ada.id).await.unwrap().unwrap();
    assert_eq!((erased.full_name.as_str(), erased.is_active), ("", false));
    let (_, hash) = bed.accounts.credentials(&erased.email).await.unwrap().unwrap();
    assert_eq!(hash, "unknown");
    assert_eq!(bed.accounts.account(eve.id).await.unwrap(), Some(eve.clone()));
    assert_eq!(bed.accounts.sessions(eve.id, at(6), 10).await.unwrap().len(), 5);
    assert_eq!(bed.api_keys.list(eve.id, at(6)).await.unwrap().len(), 3);
    assert_eq!([told(ada.id).await, told(eve.id).await], [0, 5]);
    // Once more changes nothing.
    let before = bed.kinds().await.len();
    assert!(bed.deletions.erase(ada.id, "another".to_owned(), 2, at(201)).await.unwrap());
    assert_eq!(bed.kinds().await.len(), before);
    let (_, hash) = bed.accounts.credentials(&erased.email).await.unwrap().unwrap();
    assert_eq!(hash, "unknown");
}

async fn who_is_not_deleted_is_not_erased(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    key(&bed, &ada, "k").await;
    assert!(bed.deletions.erase(ada.id, "unknown".to_owned(), 10, at(9)).await.unwrap());
    assert_eq!(bed.accounts.account(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(bed.api_keys.list(ada.id, at(9)).await.unwrap().len(), 1);
}

async fn who_was_enabled_again_is_not_erased(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    key(&bed, &ada, "k").await;
    let token = MailToken {
        user: ada.id,
        email: ada.email.clone(),
        purpose: MailPurpose::Reset,
        token_hash: "mailed before".to_owned(),
        created_at: at(0),
        expires_at: at(1_000),
    };
    assert!(bed.accounts.put_mail_token(token).await.unwrap());
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    bed.enable(ada.id).await;
    // Who deleted it took back whatever was mailed.
    let found = bed.accounts.mail_token_account(MailPurpose::Reset, "mailed before", at(6)).await;
    assert_eq!(found.unwrap(), None);
    assert!(bed.deletions.erase(ada.id, "unknown".to_owned(), 10, at(200)).await.unwrap());
    let account = bed.accounts.account(ada.id).await.unwrap().unwrap();
    assert_eq!(account.full_name, ada.full_name);
    let (_, hash) = bed.accounts.credentials(&account.email).await.unwrap().unwrap();
    assert_eq!(hash, "hash");
    // Disabled once more, it is not erased by what was asked for then.
    bed.disable(ada.id).await;
    assert!(bed.deletions.erase(ada.id, "unknown".to_owned(), 10, at(201)).await.unwrap());
    let (_, hash) = bed.accounts.credentials(&account.email).await.unwrap().unwrap();
    assert_eq!(hash, "hash");
}

/// Deleted, enabled by an operator, and deleted again: the first job comes too early.
async fn each_deletion_has_its_own_time(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    bed.deletions.delete(deletion(&ada, 5)).await.unwrap();
    bed.enable(ada.id).await;
    bed.deletions.delete(deletion(&ada, 50)).await.unwrap();
    let hash_at = async |seconds| {
        assert!(bed.deletions.erase(ada.id, "new".to_owned(), 10, at(seconds)).await.unwrap());
        let account = bed.accounts.account(ada.id).await.unwrap().unwrap();
        bed.accounts.credentials(&account.email).await.unwrap().unwrap().1
    };
    assert_eq!(hash_at(105).await, "hash");
    assert_eq!(hash_at(149).await, "hash");
    assert_eq!(hash_at(150).await, "new");
}
