//! The user's own sessions, and another password.

use alpine_domain::{
    Error,
    account::{
        AddressDigest, PasswordChange, Refreshed, RevokedSession, Secret, SessionId,
        SessionSummary, SignOut, UserId,
    },
};

use crate::support::{Bed, DatabaseBed, at, on_every, random};

on_every!(
    live_sessions_are_listed_newest_first_with_their_last_use,
    sessions_that_are_over_are_not_listed,
    a_user_ends_one_of_their_own_sessions_and_no_other,
    another_password_ends_every_session_of_the_account,
    another_password_needs_the_one_that_was_proved;
    databases:
    sessions_of_a_release_without_generations_are_listed_until_the_next_sign_out,
);

async fn listed(bed: &Bed, user: UserId, seconds: i64) -> Vec<SessionId> {
    let sessions = bed.accounts.sessions(user, at(seconds), 10).await.unwrap();
    sessions.into_iter().map(|session| session.id).collect()
}

fn change(user: UserId, proved_by: &str, password_hash: &str) -> PasswordChange {
    let (proved_by, password_hash) = (proved_by.to_owned(), password_hash.to_owned());
    PasswordChange { user, proved_by, password_hash, now: at(7) }
}

async fn live_sessions_are_listed_newest_first_with_their_last_use(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    bed.session(bob.id, "b1").await;
    let home = AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap();
    let first = bed.session_from(ada.id, "a1", Some(home.clone())).await;
    let second = bed.session(ada.id, "a2").await;
    let third = bed.session(ada.id, "a3").await;
    bed.rotate("a1", "a4", at(20), at(100)).await;
    bed.rotate("a4", "a5", at(30), at(100)).await;
    let of = |id, address, used| SessionSummary {
        id,
        address,
        created_at: at(0),
        last_used_at: at(used),
    };
    let expected = [of(third, None, 0), of(second, None, 0), of(first, Some(home), 30)];
    assert_eq!(bed.accounts.sessions(ada.id, at(40), 10).await.unwrap(), expected);
    assert_eq!(bed.accounts.sessions(ada.id, at(40), 2).await.unwrap(), expected[..2]);
    let nobody = UserId::generate(at(0), random());
    assert_eq!(bed.accounts.sessions(nobody, at(40), 10).await.unwrap(), []);
}

async fn sessions_that_are_over_are_not_listed(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let (ended, live) = (bed.session(ada.id, "a1").await, bed.session(ada.id, "a2").await);
    bed.accounts.revoke_session(ended, at(1), at(100)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 999).await, [live]);
    assert_eq!(listed(&bed, ada.id, 1_000).await, []);
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(2)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 3).await, []);
    let next = bed.session(ada.id, "a3").await;
    assert_eq!(listed(&bed, ada.id, 3).await, [next]);
    bed.accounts.revoke_everybody(at(4)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 5).await, []);
}

async fn a_user_ends_one_of_their_own_sessions_and_no_other(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    let theirs = bed.session(bob.id, "b1").await;
    let (one, other) = (bed.session(ada.id, "a1").await, bed.session(ada.id, "a2").await);
    let old = bed.session(ada.id, "a3").await;
    bed.accounts.revoke_session(old, at(1), at(50)).await.unwrap();
    let unknown = SessionId::generate(at(0), random());
    for session in [theirs, old, unknown] {
        let ended = bed.accounts.revoke_own_session(ada.id, session, at(2), at(100)).await;
        assert_eq!(ended.unwrap_err().to_string(), Error::NotFound("session").to_string());
    }
    // At its end it is over by itself.
    let late = bed.accounts.revoke_own_session(ada.id, one, at(1_000), at(2_000)).await;
    assert_eq!(late.unwrap_err().to_string(), Error::NotFound("session").to_string());
    assert_eq!(bed.kinds().await, ["session_revoked"]);

    bed.accounts.revoke_own_session(ada.id, one, at(3), at(100)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 4).await, [other]);
    assert_eq!(bed.rotate("a1", "x", at(4), at(100)).await, Refreshed::Refused);
    let denied = bed.accounts.revoked_sessions(at(60), 10).await.unwrap();
    assert_eq!(denied, [RevokedSession { session: one, until: at(100) }]);
    assert_eq!(bed.kinds().await, ["session_revoked", "session_revoked"]);
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(5)).await.unwrap();
    let over = bed.accounts.revoke_own_session(ada.id, other, at(6), at(100)).await;
    assert_eq!(over.unwrap_err().to_string(), Error::NotFound("session").to_string());
}

async fn another_password_ends_every_session_of_the_account(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    bed.session(ada.id, "a1").await;
    let theirs = bed.session(bob.id, "b1").await;
    let account = bed.accounts.change_password(change(ada.id, "hash", "newer")).await.unwrap();
    assert_eq!((account.generation, account.updated_at), (ada.generation + 1, at(7)));
    assert_eq!(bed.accounts.account(ada.id).await.unwrap(), Some(account.clone()));
    let (_, hash) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!(hash, "newer");
    assert_eq!(listed(&bed, ada.id, 8).await, []);
    assert_eq!(bed.rotate("a1", "x", at(8), at(100)).await, Refreshed::Refused);
    assert_eq!(listed(&bed, bob.id, 8).await, [theirs]);
    assert_eq!(bed.kinds().await, ["account_changed"]);
}

async fn another_password_needs_the_one_that_was_proved(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "a1").await;
    let refused = bed.accounts.change_password(change(ada.id, "other", "newer")).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        Error::Forbidden("the current password is wrong").to_string()
    );
    let nobody = UserId::generate(at(0), random());
    let missing = bed.accounts.change_password(change(nobody, "hash", "newer")).await;
    assert_eq!(missing.unwrap_err().to_string(), Error::NotFound("account").to_string());
    assert_eq!(bed.accounts.account(ada.id).await.unwrap(), Some(ada.clone()));
    let (_, hash) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!((hash.as_str(), listed(&bed, ada.id, 8).await), ("hash", vec![session]));
    assert!(bed.kinds().await.is_empty());
}

async fn sessions_of_a_release_without_generations_are_listed_until_the_next_sign_out(
    bed: DatabaseBed,
) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "a1").await;
    // Such a release raised generations as well, without saying so in the session.
    bed.execute("UPDATE users SET generation = 3").await.unwrap();
    let newer = bed.session(ada.id, "a2").await;
    assert_eq!(listed(&bed, ada.id, 1).await, [newer, session]);
    bed.accounts.revoke_own_session(ada.id, session, at(1), at(100)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 2).await, [newer]);
    let other = bed.session(ada.id, "a3").await;
    bed.execute(&format!("UPDATE sessions SET generation = 0 WHERE id = '{other}'")).await.unwrap();
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(3)).await.unwrap();
    assert_eq!(listed(&bed, ada.id, 4).await, []);
}
