//! A sign-up waits until it is confirmed, makes one account, and goes by itself.

use alpine_domain::{
    Timestamp,
    account::{
        Account, EmailChange, NewAccount, NewAddressChange, PendingSignUp, Role, Tier, UserId,
    },
    jobs::{Job, JobCounts, NewJob},
    retention::{Due, Positions},
};

use crate::support::{Bed, at, new_account, on_every, random};

on_every!(
    a_confirmed_sign_up_makes_a_verified_account_once,
    of_many_at_once_one_makes_the_account,
    a_sign_up_ends_in_time,
    a_taken_address_makes_no_account,
    nobody_is_confirmed_without_a_token,
    what_has_ended_is_deleted,
);

fn pending(email: &str, seconds: i64) -> PendingSignUp {
    PendingSignUp {
        user: UserId::generate(at(seconds), random()),
        email: email.parse().unwrap(),
        full_name: "Ada".parse().unwrap(),
        password_hash: format!("hash of {seconds}"),
        created_at: at(seconds),
        expires_at: at(seconds + 100),
    }
}

async fn added(bed: &Bed, email: &str, seconds: i64) -> PendingSignUp {
    let pending = pending(email, seconds);
    let job = NewJob::new(Job::SignUpRequested { user: pending.user }, at(seconds));
    bed.sign_ups.add(pending.clone(), job).await.unwrap();
    pending
}

fn account(pending: &PendingSignUp, seconds: i64) -> NewAccount {
    NewAccount {
        id: pending.user,
        email: pending.email.clone(),
        full_name: pending.full_name.clone(),
        password_hash: pending.password_hash.clone(),
        tier: Tier::Free,
        role: Role::User,
        created_at: at(seconds),
        welcome: None,
    }
}

async fn confirm(bed: &Bed, pending: &PendingSignUp, token: &str, seconds: i64) -> Option<Account> {
    bed.sign_ups.confirm(token, account(pending, seconds)).await.unwrap()
}

async fn a_confirmed_sign_up_makes_a_verified_account_once(bed: Bed) {
    let ada = added(&bed, "ada@example.com", 0).await;
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 1, failed: 0 });
    assert_eq!(bed.sign_ups.pending(ada.user, at(1)).await.unwrap(), Some(ada.clone()));
    assert!(bed.accounts.credentials(&ada.email).await.unwrap().is_none(), "there is none yet");
    assert!(bed.sign_ups.put_sign_up_token(ada.user, "old", at(1)).await.unwrap());
    assert!(bed.sign_ups.put_sign_up_token(ada.user, "new", at(1)).await.unwrap());
    assert_eq!(bed.sign_ups.by_token("old", at(1)).await.unwrap(), None);
    assert_eq!(bed.sign_ups.by_token("new", at(1)).await.unwrap(), Some(ada.clone()));
    assert_eq!(confirm(&bed, &ada, "old", 2).await, None);
    let made = confirm(&bed, &ada, "new", 2).await.unwrap();
    assert_eq!((made.id, made.is_verified, made.is_active), (ada.user, true, true));
    let (account, hash) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!((account, hash), (made, ada.password_hash.clone()));
    assert_eq!(confirm(&bed, &ada, "new", 3).await, None, "it is used");
    assert_eq!(bed.sign_ups.pending(ada.user, at(3)).await.unwrap(), None);
}

async fn of_many_at_once_one_makes_the_account(bed: Bed) {
    let mut all = Vec::new();
    for n in 0..4 {
        let pending = added(&bed, "ada@example.com", n).await;
        let token = n.to_string();
        assert!(bed.sign_ups.put_sign_up_token(pending.user, &token, at(5)).await.unwrap());
        all.push((pending, token));
    }
    // Each sign-up twice at once, all for one address.
    let twice = all.iter().chain(&all);
    let mut tries = tokio::task::JoinSet::new();
    for (pending, token) in twice {
        let (store, account, token) = (bed.sign_ups.clone(), account(pending, 6), token.clone());
        tries.spawn(async move { store.confirm(&token, account).await.unwrap() });
    }
    let made = tries.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_some()).count(), 1);
}

async fn a_sign_up_ends_in_time(bed: Bed) {
    let ada = added(&bed, "ada@example.com", 0).await;
    assert!(bed.sign_ups.put_sign_up_token(ada.user, "t", at(1)).await.unwrap());
    assert!(bed.sign_ups.by_token("t", at(99)).await.unwrap().is_some());
    assert!(bed.sign_ups.by_token("t", at(100)).await.unwrap().is_none());
    assert!(bed.sign_ups.pending(ada.user, at(100)).await.unwrap().is_none());
    assert!(!bed.sign_ups.put_sign_up_token(ada.user, "u", at(100)).await.unwrap());
    assert_eq!(confirm(&bed, &ada, "t", 100).await, None);
    assert!(confirm(&bed, &ada, "t", 99).await.is_some());
}

async fn a_taken_address_makes_no_account(bed: Bed) {
    let ada = added(&bed, "ada@example.com", 0).await;
    assert!(bed.sign_ups.put_sign_up_token(ada.user, "t", at(1)).await.unwrap());
    let owner = bed.accounts.create(new_account("ada@example.com")).await.unwrap();
    assert_eq!(confirm(&bed, &ada, "t", 2).await, None);
    let (account, _) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!(account, owner);
}

async fn nobody_is_confirmed_without_a_token(bed: Bed) {
    let ada = added(&bed, "ada@example.com", 0).await;
    for token in ["", "t", "NULL"] {
        assert_eq!(bed.sign_ups.by_token(token, at(1)).await.unwrap(), None);
        assert_eq!(confirm(&bed, &ada, token, 1).await, None);
    }
}

/// Those of whom nobody is an account are kept no longer than they are good for something.
async fn what_has_ended_is_deleted(bed: Bed) {
    let old = added(&bed, "old@example.com", 0).await;
    let live = added(&bed, "live@example.com", 1).await;
    let ada = bed.user("ada@example.com").await;
    let wish = EmailChange { email: "new@example.com".parse().unwrap(), proved_by: "hash".into() };
    for (seconds, gone) in [(99, 0), (100, 1)] {
        let change = NewAddressChange {
            user: ada.id,
            change: wish.clone(),
            now: at(0),
            expires_at: at(100),
        };
        bed.address_changes.ask(change, Vec::new()).await.unwrap();
        let due = Due {
            sessions: Timestamp::MIN,
            api_keys: Timestamp::MIN,
            failed_jobs: Timestamp::MIN,
            audit: Timestamp::MIN,
            notifications: Timestamp::MIN,
            now: at(seconds),
            from: Positions::default(),
        };
        let (deleted, _) = bed.retention.delete_chunk(due).await.unwrap();
        assert_eq!([deleted.sign_ups, deleted.address_changes], [gone; 2], "{seconds}");
        let (kept, change) = (
            bed.sign_ups.pending(old.user, at(1)).await.unwrap(),
            bed.address_changes.pending_change(ada.id, at(1)).await.unwrap(),
        );
        assert_eq!([kept.is_none(), change.is_none()], [gone == 1; 2], "{seconds}");
    }
    assert!(bed.sign_ups.pending(live.user, at(100)).await.unwrap().is_some());
}
