//! Accounts, sessions, refresh tokens.

use alpine_domain::{
    Error,
    account::{
        AccountState, AddressDigest, AddressProof, ApiKey, ApiKeyId, EmailChange, NewApiKey,
        NewSession, ProfileChange, Promotion, Refreshed, Repeat, RevokedSession, Role, Rotation,
        Scopes, Secret, SessionId, SignOut, Tier, UserId,
    },
    error::ConflictKind,
    event::Event,
    retention::{Due, Positions},
};

use crate::support::{Bed, DatabaseBed, at, new_account, on_every, random, rotation};

on_every!(
    accounts_read_back_and_addresses_are_unique,
    profiles_change_and_an_address_starts_unverified,
    changes_of_tier_and_role_are_logged_and_admins_counted,
    a_refresh_token_is_used_once_and_its_replay_ends_the_family,
    one_of_many_concurrent_refreshes_wins,
    expired_revoked_and_disabled_are_refused,
    ending_a_session_twice_changes_nothing,
    ending_all_sessions_raises_the_generation,
    revoking_everybodys_sessions_raises_every_generation,
    an_account_knows_the_addresses_that_signed_in_to_it,
    the_last_used_token_may_be_sent_again_by_who_used_it_and_for_a_moment,
    many_tabs_that_refresh_at_once_hear_the_same,
    a_promotion_leaves_nothing_to_who_held_the_account_before,
    a_promotion_needs_a_proved_address,
    what_was_proved_before_a_promotion_is_worth_nothing_after_it;
    databases:
    there_are_no_other_tiers,
    sessions_of_a_release_without_generations_last_until_the_next_sign_out,
);

/// A change to an address, proved by the password that every account of these tests has.
fn to(email: &str) -> EmailChange {
    EmailChange { email: email.parse().unwrap(), proved_by: "hash".to_owned() }
}

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
    bed.verify(ada.id).await;
    let same = ProfileChange {
        full_name: Some("Ada King".parse().unwrap()),
        email: Some(to("ada@example.com")),
    };
    let account = bed.accounts.update_profile(ada.id, same, at(5)).await.unwrap();
    assert_eq!(account.full_name.as_str(), "Ada King");
    assert!(account.is_verified);
    assert_eq!((account.created_at, account.updated_at), (at(0), at(5)));

    let change = |email: &str| ProfileChange { full_name: None, email: Some(to(email)) };
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

async fn changes_of_tier_and_role_are_logged_and_admins_counted(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 0);
    let account = bed.accounts.set_tier_and_role(ada.id, Tier::Elite, Role::Admin, at(1)).await;
    let account = account.unwrap();
    assert_eq!((account.tier, account.role), (Tier::Elite, Role::Admin));
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 1);
    bed.disable(ada.id).await;
    assert_eq!(bed.accounts.count_admins().await.unwrap(), 0);
    let rows = bed.events.read_after(0, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    let event = Event::from_payload(&rows[0].payload);
    assert_eq!(event, Some(Event::AccountChanged { user: ada.id }));
    assert_eq!((rows[0].recorded_at, rows[0].kind.as_str()), (at(1), "account_changed"));
}

async fn there_are_no_other_tiers(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    assert!(bed.execute("UPDATE users SET tier = 'gold'").await.is_err());
}

async fn a_refresh_token_is_used_once_and_its_replay_ends_the_family(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "r1").await;
    let rotated = bed.rotate("r1", "r2", at(1), at(100)).await;
    let expected = Refreshed::Rotated { session, account: ada.clone(), expires_at: at(1_000) };
    assert_eq!(rotated, expected);
    // A token is told from a guess also when it is used up.
    for (token, known) in [("r1", Some(session)), ("r2", Some(session)), ("unknown", None)] {
        assert_eq!(bed.accounts.session_of_refresh(token).await.unwrap(), known, "{token}");
    }
    let replayed = bed.rotate("r1", "r3", at(2), at(100)).await;
    assert_eq!(replayed, Refreshed::Replayed { session });
    // Neither the thief's nor the owner's token works any more.
    for token in ["r2", "r1", "r3", "unknown"] {
        let answer = bed.rotate(token, "r4", at(3), at(100)).await;
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
        let rotation = rotation("r1", &format!("n{n}"), at(1), at(100));
        tokio::spawn(async move { accounts.rotate_refresh(rotation).await.unwrap() })
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
    let answer = bed.rotate("late", "x", at(1_000), at(2_000)).await;
    assert_eq!(answer, Refreshed::Refused);
    let session = bed.session(ada.id, "ended").await;
    bed.accounts.revoke_session(session, at(1), at(100)).await.unwrap();
    let answer = bed.rotate("ended", "x", at(2), at(100)).await;
    assert_eq!(answer, Refreshed::Refused);
    bed.session(ada.id, "disabled").await;
    bed.disable(ada.id).await;
    let answer = bed.rotate("disabled", "x", at(2), at(100)).await;
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
    assert_eq!(bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap(), 1);
    assert_eq!(bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(2)).await.unwrap(), 2);
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!(state.generation, 2);
    for token in ["a1", "a2"] {
        let answer = bed.rotate(token, "x", at(3), at(100)).await;
        assert_eq!(answer, Refreshed::Refused);
    }
    let answer = bed.rotate("b1", "b2", at(3), at(100)).await;
    assert!(matches!(answer, Refreshed::Rotated { .. }));
    let nobody = UserId::generate(at(0), random());
    assert!(matches!(
        bed.accounts.revoke_all(nobody, SignOut::Sessions, at(1)).await,
        Err(Error::NotFound(_))
    ));
}

async fn revoking_everybodys_sessions_raises_every_generation(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session(ada.id, "a1").await;
    bed.session(bob.id, "b1").await;
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
    let head = bed.events.head().await.unwrap();
    bed.accounts.revoke_everybody(at(2)).await.unwrap();
    for (user, generation) in [(ada.id, 2), (bob.id, 1)] {
        let state = bed.accounts.state(user).await.unwrap().unwrap();
        assert_eq!(state.generation, generation);
    }
    let answer = bed.rotate("b1", "b2", at(3), at(100)).await;
    assert_eq!(answer, Refreshed::Refused);
    let logged = bed.events.read_after(head, 10).await.unwrap();
    assert_eq!(
        logged.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["everybody_signed_out"]
    );
    // A session from afterwards is good.
    bed.session(ada.id, "a2").await;
    let answer = bed.rotate("a2", "a3", at(3), at(100)).await;
    assert!(matches!(answer, Refreshed::Rotated { .. }));
}

async fn sessions_of_a_release_without_generations_last_until_the_next_sign_out(bed: DatabaseBed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    for token in ["a1", "a2", "a3"] {
        bed.session(ada.id, token).await;
    }
    for token in ["b1", "b2"] {
        bed.session(bob.id, token).await;
    }
    // Ada was signed out five times before the column came.
    bed.execute("UPDATE users SET generation = 5; UPDATE sessions SET generation = 0")
        .await
        .unwrap();
    let is_good = async |token: &str| {
        let next = format!("{token} next");
        matches!(bed.rotate(token, &next, at(3), at(100)).await, Refreshed::Rotated { .. })
    };
    assert!(is_good("a1").await);
    assert!(is_good("a1 next").await, "it has the account's generation now");
    assert!(is_good("b1").await);
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(4)).await.unwrap();
    for token in ["a1 next next", "a2"] {
        assert!(!is_good(token).await, "{token}");
    }
    assert!(is_good("b1 next").await, "nobody signed Bob out");
    bed.accounts.revoke_everybody(at(5)).await.unwrap();
    for token in ["a3", "b1 next next", "b2"] {
        assert!(!is_good(token).await, "{token}");
    }
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
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
    let change = ProfileChange { full_name: None, email: Some(to("ada@example.org")) };
    bed.accounts.update_profile(ada.id, change, at(2)).await.unwrap();
    assert!(knows("ada@example.org", &home).await);
    assert!(!knows("ada@example.com", &home).await);
}

fn home() -> AddressDigest {
    AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap()
}

/// As [`rotation`], by a client that may send its token again until `at(11)`.
fn repeatable(presented: &str, next: &str, seconds: i64, address: &AddressDigest) -> Rotation {
    let sealed_next = format!("sealed {next}");
    let repeat = Repeat { sealed_next, address: address.clone(), until: at(11) };
    Rotation { repeat: Some(repeat), ..rotation(presented, next, at(seconds), at(100)) }
}

async fn the_last_used_token_may_be_sent_again_by_who_used_it_and_for_a_moment(bed: Bed) {
    let elsewhere = AddressDigest::of("192.0.2.8", &Secret::new("key")).unwrap();
    let ada = bed.user("ada@example.com").await;
    // What comes second, and whether it hears the same.
    let cases = [
        ("in time", repeatable("r1", "x", 10, &home()), true),
        ("late", repeatable("r1", "x", 11, &home()), false),
        ("from elsewhere", repeatable("r1", "x", 1, &elsewhere), false),
        ("from nowhere", rotation("r1", "x", at(1), at(100)), false),
    ];
    for (what, second, hears_the_same) in cases {
        let renamed = |token: &str| format!("{what} {token}");
        let session = bed.session(ada.id, &renamed("r1")).await;
        let mut first = repeatable("r1", "r2", 1, &home());
        first.presented = renamed(&first.presented);
        first.next = renamed(&first.next);
        let rotated = bed.accounts.rotate_refresh(first).await.unwrap();
        assert!(matches!(rotated, Refreshed::Rotated { .. }), "{what}: {rotated:?}");
        let second = Rotation { presented: renamed("r1"), next: renamed("x"), ..second };
        let answer = bed.accounts.rotate_refresh(second).await.unwrap();
        let sealed_next = "sealed r2".to_owned();
        let (expected, next_is) = if hears_the_same {
            (Refreshed::Repeated { session, account: ada.clone(), sealed_next }, "rotated")
        } else {
            (Refreshed::Replayed { session }, "refused")
        };
        assert_eq!(answer, expected, "{what}");
        let next = rotation(&renamed("r2"), &renamed("r3"), at(2), at(100));
        let next = bed.accounts.rotate_refresh(next).await.unwrap();
        assert_eq!(matches!(next, Refreshed::Rotated { .. }), next_is == "rotated", "{what}");
        if hears_the_same {
            // Once its successor was used, it is a replay in time and at home too.
            let again = Rotation { presented: renamed("r1"), ..repeatable("", "y", 3, &home()) };
            let answer = bed.accounts.rotate_refresh(again).await.unwrap();
            assert_eq!(answer, Refreshed::Replayed { session });
        }
    }
    // A session that ended, or a disabled account, repeats nothing.
    for (token, is_disabled) in [("s1", false), ("t1", true)] {
        let session = bed.session(ada.id, token).await;
        let answer =
            bed.accounts.rotate_refresh(repeatable(token, &format!("{token}2"), 1, &home())).await;
        assert!(matches!(answer, Ok(Refreshed::Rotated { .. })), "{answer:?}");
        if is_disabled {
            bed.disable(ada.id).await;
        } else {
            bed.accounts.revoke_session(session, at(1), at(100)).await.unwrap();
        }
        let answer = bed.accounts.rotate_refresh(repeatable(token, "z", 2, &home())).await.unwrap();
        assert_eq!(answer, Refreshed::Refused, "{token}");
    }
}

async fn many_tabs_that_refresh_at_once_hear_the_same(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let session = bed.session(ada.id, "r1").await;
    let callers = (0..6).map(|n| {
        let accounts = bed.accounts.clone();
        let rotation = repeatable("r1", &format!("n{n}"), 1, &home());
        tokio::spawn(async move { (n, accounts.rotate_refresh(rotation).await.unwrap()) })
    });
    let mut winners = Vec::new();
    let mut repeated = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        match caller.await.unwrap() {
            (n, Refreshed::Rotated { .. }) => winners.push(format!("sealed n{n}")),
            (_, Refreshed::Repeated { sealed_next, session: of, .. }) if of == session => {
                repeated.push(sealed_next);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(repeated, vec![winners[0].clone(); 5]);
    assert!(bed.kinds().await.is_empty());
}

fn promotion(email: &str, proof: AddressProof) -> Promotion {
    let password_hash = "the operator's".to_owned();
    Promotion { email: email.parse().unwrap(), password_hash, proof, now: at(5) }
}

fn key_of(owner: UserId, hash: &str, generation: i64) -> NewApiKey {
    let key = ApiKey {
        id: ApiKeyId::generate(at(0), random()),
        owner,
        name: "bot".parse().unwrap(),
        prefix: "alp_1234".to_owned(),
        scopes: Scopes::UNNAMED,
        created_at: at(0),
        expires_at: None,
    };
    NewApiKey { key, key_hash: hash.to_owned(), generation }
}

async fn a_promotion_leaves_nothing_to_who_held_the_account_before(bed: Bed) {
    let eve = bed.user("ops@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session_from(eve.id, "e1", Some(home())).await;
    bed.session_from(bob.id, "b1", Some(home())).await;
    bed.api_keys.create(key_of(eve.id, "eve's", 0), 5).await.unwrap();
    bed.api_keys.create(key_of(bob.id, "bob's", 0), 5).await.unwrap();
    let mut over = key_of(eve.id, "over", 0);
    over.key.expires_at = Some(at(4));
    bed.api_keys.create(over, 5).await.unwrap();
    let head = bed.events.head().await.unwrap();

    let promoted = bed.accounts.promote(promotion("ops@example.com", AddressProof::Operator)).await;
    let promoted = promoted.unwrap();
    let expected = alpine_domain::account::Account {
        role: Role::Admin,
        generation: 1,
        updated_at: at(5),
        ..eve.clone()
    };
    assert_eq!(promoted, expected);
    let email = "ops@example.com".parse().unwrap();
    let kept = bed.accounts.credentials(&email).await.unwrap();
    assert_eq!(kept, Some((expected, "the operator's".to_owned())));
    assert_eq!(bed.rotate("e1", "e2", at(6), at(100)).await, Refreshed::Refused);
    // Nor if the clock was wrong and goes back to where the other one had not expired.
    for (hash, seconds) in [("eve's", 6), ("over", 3)] {
        assert_eq!(bed.api_keys.by_hash(hash, at(seconds)).await.unwrap(), None, "{hash}");
    }
    assert_eq!(bed.api_keys.list(eve.id, at(3)).await.unwrap(), []);
    let hers = key_of(eve.id, "the operator's", 1);
    bed.api_keys.create(hers.clone(), 5).await.unwrap();
    assert_eq!(bed.api_keys.list(eve.id, at(3)).await.unwrap(), [hers.key]);
    let (due, first, from) = (at(6), at(0), Positions::default());
    let due = Due {
        sessions: first,
        api_keys: due,
        failed_jobs: first,
        audit: first,
        notifications: first,
        now: due,
        from,
    };
    let (deleted, _) = bed.retention.delete_chunk(due).await.unwrap();
    assert_eq!(deleted.api_keys, 2, "one is revoked and one has expired");
    assert!(!bed.accounts.has_signed_in_from(&email, &home()).await.unwrap());
    let logged = bed.events.read_after(head, 10).await.unwrap();
    assert_eq!(
        logged.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["account_changed", "api_keys_changed", "api_keys_changed"]
    );
    // Nobody else lost anything.
    assert!(matches!(bed.rotate("b1", "b2", at(6), at(100)).await, Refreshed::Rotated { .. }));
    assert!(bed.api_keys.by_hash("bob's", at(6)).await.unwrap().is_some());
    assert!(bed.accounts.has_signed_in_from(&bob.email, &home()).await.unwrap());
}

async fn a_promotion_needs_a_proved_address(bed: Bed) {
    let eve = bed.user("ops@example.com").await;
    let missing = bed.accounts.promote(promotion("no@example.com", AddressProof::Operator)).await;
    assert!(matches!(missing, Err(Error::NotFound("account"))), "{missing:?}");
    let refused = bed.accounts.promote(promotion("ops@example.com", AddressProof::Verified)).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    let kept = bed.accounts.credentials(&eve.email).await.unwrap();
    assert_eq!(kept, Some((eve.clone(), "hash".to_owned())), "nothing happened");
    assert!(bed.kinds().await.is_empty());
    bed.verify(eve.id).await;
    let promoted = bed.accounts.promote(promotion("ops@example.com", AddressProof::Verified)).await;
    assert_eq!(promoted.unwrap().role, Role::Admin);
    bed.disable(eve.id).await;
    let disabled = bed.accounts.promote(promotion("ops@example.com", AddressProof::Operator)).await;
    assert!(matches!(disabled, Err(Error::NotFound("account"))), "{disabled:?}");
}

async fn what_was_proved_before_a_promotion_is_worth_nothing_after_it(bed: Bed) {
    let eve = bed.user("ops@example.com").await;
    bed.accounts.promote(promotion("ops@example.com", AddressProof::Operator)).await.unwrap();
    let session = NewSession {
        id: SessionId::generate(at(0), random()),
        user: eve.id,
        generation: eve.generation,
        address: None,
        refresh_hash: "late".to_owned(),
        created_at: at(5),
        expires_at: at(1_000),
    };
    let opened = bed.accounts.open_session(session).await;
    assert!(matches!(opened, Err(Error::Unauthenticated(_))), "{opened:?}");
    assert_eq!(bed.rotate("late", "x", at(6), at(100)).await, Refreshed::Refused);
    let key = bed.api_keys.create(key_of(eve.id, "late", eve.generation), 5).await;
    assert!(matches!(key, Err(Error::Unauthenticated(_))), "{key:?}");
    bed.accounts.revoke_everybody(at(5)).await.unwrap();
    let key = bed.api_keys.create(key_of(eve.id, "later", 1), 5).await;
    assert!(matches!(key, Err(Error::Unauthenticated(_))), "{key:?}");
    let change = ProfileChange { full_name: None, email: Some(to("eve@example.com")) };
    let changed = bed.accounts.update_profile(eve.id, change, at(6)).await;
    assert!(matches!(changed, Err(Error::Forbidden(_))), "{changed:?}");
}
