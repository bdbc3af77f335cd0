//! Accounts, sessions, refresh tokens.

use alpine_domain::{
    Error,
    account::{
        AccountState, AccountStore as _, AddressDigest, ProfileChange, Refreshed, RevokedSession,
        Role, Secret, SessionId, Tier, UserId,
    },
    error::ConflictKind,
    event::Event,
    ports::events::EventLog as _,
};

use crate::support::{Bed, at, new_account, on_both, random};

on_both!(
    accounts_read_back_and_addresses_are_unique,
    profiles_change_and_an_address_starts_unverified,
    standing_changes_are_logged_and_admins_counted,
    a_refresh_token_is_used_once_and_its_replay_ends_the_family,
    one_of_many_concurrent_refreshes_wins,
    expired_revoked_and_disabled_are_refused,
    ending_a_session_twice_changes_nothing,
    ending_all_sessions_raises_the_generation,
    revoking_everybodys_sessions_raises_every_generation,
    an_account_knows_the_addresses_that_signed_in_to_it,
);

async fn accounts_read_back_and_addresses_are_unique(bed: Bed) {
    let created = bed.user("ada@example.com").await;
    assert_eq!(bed.accounts.account(created.id).await.unwrap(), Some(created.clone()));
    let email = "ada@example.com".parse().unwrap();
    let (account, hash) = bed.accounts.credentials(&email).await.unwrap().unwrap();
    assert_eq!((account, hash.as_str()), (created.clone(), "hash"));
    let state = bed.accounts.state(created.id).await.unwrap();
    assert_eq!(state, Some(AccountState::from(&created)));

    match bed.accounts.create(new_account("ada@example.com")).await {
        Err(Error::Conflict(conflict)) => assert_eq!(conflict.kind, ConflictKind::EmailTaken),
        other => panic!("{other:?}"),
    }
    let nobody = UserId::generate(at(0), random());
    assert_eq!(bed.accounts.account(nobody).await.unwrap(), None);

    bed.accounts.upgrade_hash(created.id, "other", "newer").await.unwrap();
    assert_eq!(bed.accounts.credentials(&email).await.unwrap().unwrap().1, "hash");
    bed.accounts.upgrade_hash(created.id, "hash", "newer").await.unwrap();
    assert_eq!(bed.accounts.credentials(&email).await.unwrap().unwrap().1, "newer");
}

async fn profiles_change_and_an_address_starts_unverified(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    bed.user("bob@example.com").await;
    bed.execute("UPDATE users SET is_verified = true").await.unwrap();
    let same = ProfileChange {
        full_name: Some("Ada King".parse().unwrap()),
        email: Some("ada@example.com".parse().unwrap()),
    };
    let account = bed.accounts.update_profile(ada.id, same, at(5)).await.unwrap();
    assert_eq!(account.full_name.as_str(), "Ada King");
    assert!(account.is_verified);
    assert_eq!((account.created_at, account.updated_at), (at(0), at(5)));

    let change =
        |email: &str| ProfileChange { full_name: None, email: Some(email.parse().unwrap()) };
    let account = bed.accounts.update_profile(ada.id, change("ada@example.org"), at(6)).await;
    assert!(!account.unwrap().is_verified);
    let taken = bed.accounts.update_profile(ada.id, change("bob@example.com"), at(7)).await;
    assert!(matches!(taken, Err(Error::Conflict(c)) if c.kind == ConflictKind::EmailTaken));
    let nobody = UserId::generate(at(0), random());
    let missing = bed.accounts.update_profile(nobody, change("x@example.com"), at(8)).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    // What was refused left no trace in the log.
    assert_eq!(bed.kinds().await, ["account_changed", "account_changed"]);
}

async fn standing_changes_are_logged_and_admins_counted(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 0);
    let account = bed.accounts.set_standing(ada.id, Tier::Elite, Role::Admin, at(1)).await;
    let account = account.unwrap();
    assert_eq!((account.tier, account.role), (Tier::Elite, Role::Admin));
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 1);
    bed.execute("UPDATE users SET is_active = false").await.unwrap();
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 0);
    let rows = bed.events.read_after(0, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    let event = Event::from_payload(&rows[0].payload);
    assert_eq!(event, Some(Event::AccountChanged { user: ada.id }));
    assert_eq!((rows[0].recorded_at, rows[0].kind.as_str()), (at(1), "account_changed"));
    assert!(bed.execute("UPDATE users SET tier = 'gold'").await.is_err());
}

async fn a_refresh_token_is_used_once_and_its_replay_ends_the_family(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "r1").await;
    let rotated = bed.accounts.rotate_refresh("r1", "r2", at(1), at(100)).await.unwrap();
    let expected = Refreshed::Rotated { session, account: ada.clone(), expires_at: at(1_000) };
    assert_eq!(rotated, expected);
    let replayed = bed.accounts.rotate_refresh("r1", "r3", at(2), at(100)).await.unwrap();
    assert_eq!(replayed, Refreshed::Replayed { session });
    // Neither the thief's nor the owner's token works any more.
    for token in ["r2", "r1", "r3", "unknown"] {
        let answer = bed.accounts.rotate_refresh(token, "r4", at(3), at(100)).await.unwrap();
        assert_eq!(answer, Refreshed::Refused, "{token}");
    }
    assert_eq!(bed.kinds().await, ["session_revoked"]);
    let denied = bed.accounts.revoked_sessions(at(99), 10).await.unwrap();
    assert_eq!(denied, [RevokedSession { session, until: at(100) }]);
}

async fn one_of_many_concurrent_refreshes_wins(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "r1").await;
    let callers = (0..6).map(|n| {
        let accounts = bed.accounts.clone();
        tokio::spawn(async move {
            accounts.rotate_refresh("r1", &format!("n{n}"), at(1), at(100)).await.unwrap()
        })
    });
    let mut answers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        answers.push(caller.await.unwrap());
    }
    let rotated = answers.iter().filter(|a| matches!(a, Refreshed::Rotated { .. })).count();
    let replayed = answers.iter().filter(|a| **a == Refreshed::Replayed { session }).count();
    assert_eq!((rotated, replayed), (1, 1), "{answers:?}");
    assert_eq!(bed.kinds().await, ["session_revoked"]);
}

async fn expired_revoked_and_disabled_are_refused(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    bed.session(ada.id, "late").await;
    let answer = bed.accounts.rotate_refresh("late", "x", at(1_000), at(2_000)).await.unwrap();
    assert_eq!(answer, Refreshed::Refused);
    let session = bed.session(ada.id, "ended").await;
    bed.accounts.revoke_session(session, at(1), at(100)).await.unwrap();
    let answer = bed.accounts.rotate_refresh("ended", "x", at(2), at(100)).await.unwrap();
    assert_eq!(answer, Refreshed::Refused);
    bed.session(ada.id, "disabled").await;
    bed.execute("UPDATE users SET is_active = false").await.unwrap();
    let answer = bed.accounts.rotate_refresh("disabled", "x", at(2), at(100)).await.unwrap();
    assert_eq!(answer, Refreshed::Refused);
}

async fn ending_a_session_twice_changes_nothing(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "r").await;
    bed.accounts.revoke_session(session, at(1), at(100)).await.unwrap();
    bed.accounts.revoke_session(session, at(2), at(200)).await.unwrap();
    let unknown = SessionId::generate(at(0), random());
    bed.accounts.revoke_session(unknown, at(2), at(200)).await.unwrap();
    assert_eq!(bed.kinds().await, ["session_revoked"]);
    let denied = bed.accounts.revoked_sessions(at(0), 10).await.unwrap();
    assert_eq!(denied, [RevokedSession { session, until: at(100) }]);
    assert!(bed.accounts.revoked_sessions(at(100), 10).await.unwrap().is_empty());
    // Those that run out last come first.
    let other = bed.session(ada.id, "s").await;
    bed.accounts.revoke_session(other, at(3), at(300)).await.unwrap();
    let denied = bed.accounts.revoked_sessions(at(0), 1).await.unwrap();
    assert_eq!(denied, [RevokedSession { session: other, until: at(300) }]);
}

async fn ending_all_sessions_raises_the_generation(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session(ada.id, "a1").await;
    bed.session(ada.id, "a2").await;
    bed.session(bob.id, "b1").await;
    assert_eq!(bed.accounts.revoke_all(ada.id, at(1)).await.unwrap(), 1);
    assert_eq!(bed.accounts.revoke_all(ada.id, at(2)).await.unwrap(), 2);
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!(state.generation, 2);
    for token in ["a1", "a2"] {
        let answer = bed.accounts.rotate_refresh(token, "x", at(3), at(100)).await.unwrap();
        assert_eq!(answer, Refreshed::Refused);
    }
    let answer = bed.accounts.rotate_refresh("b1", "b2", at(3), at(100)).await.unwrap();
    assert!(matches!(answer, Refreshed::Rotated { .. }));
    let nobody = UserId::generate(at(0), random());
    assert!(matches!(bed.accounts.revoke_all(nobody, at(1)).await, Err(Error::NotFound(_))));
}

async fn revoking_everybodys_sessions_raises_every_generation(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session(ada.id, "a1").await;
    bed.session(bob.id, "b1").await;
    bed.accounts.revoke_all(ada.id, at(1)).await.unwrap();
    let head = bed.events.head().await.unwrap();
    assert_eq!(bed.accounts.revoke_everybody(at(2)).await.unwrap(), 2);
    for (user, generation) in [(ada.id, 2), (bob.id, 1)] {
        let state = bed.accounts.state(user).await.unwrap().unwrap();
        assert_eq!(state.generation, generation);
    }
    let answer = bed.accounts.rotate_refresh("b1", "b2", at(3), at(100)).await.unwrap();
    assert_eq!(answer, Refreshed::Refused);
    let logged = bed.events.read_after(head, 10).await.unwrap();
    assert_eq!(
        logged.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["everybody_signed_out"]
    );
    // A session from afterwards is good.
    bed.session(ada.id, "a2").await;
    let answer = bed.accounts.rotate_refresh("a2", "a3", at(3), at(100)).await.unwrap();
    assert!(matches!(answer, Refreshed::Rotated { .. }));
}

async fn an_account_knows_the_addresses_that_signed_in_to_it(bed: Bed) {
    let digest = |group: &str| AddressDigest::of(group, &Secret::new("key")).unwrap();
    let (home, office) = (digest("192.0.2.7"), digest("2001:db8:1:2::/64"));
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session(ada.id, "a command's").await;
    let knows = async |email: &str, address: &AddressDigest| {
        bed.accounts.has_signed_in_from(&email.parse().unwrap(), address).await.unwrap()
    };
    assert!(!knows("ada@example.com", &home).await);
    let session = bed.session_from(ada.id, "a", Some(home.clone())).await;
    bed.session_from(ada.id, "a again", Some(home.clone())).await;
    bed.session_from(bob.id, "b", Some(office.clone())).await;
    assert!(knows("ada@example.com", &home).await);
    assert!(knows("bob@example.com", &office).await);
    assert!(!knows("ada@example.com", &office).await, "that is Bob's");
    assert!(!knows("bob@example.com", &home).await, "that is Ada's");
    assert!(!knows("eve@example.com", &home).await, "there is no such account");

    // Sessions end, the memory of them does not; and it follows the account to another address.
    bed.accounts.revoke_session(session, at(1), at(100)).await.unwrap();
    bed.accounts.revoke_all(ada.id, at(1)).await.unwrap();
    let change = ProfileChange { full_name: None, email: Some("ada@example.org".parse().unwrap()) };
    bed.accounts.update_profile(ada.id, change, at(2)).await.unwrap();
    assert!(knows("ada@example.org", &home).await);
    assert!(!knows("ada@example.com", &home).await);
}
