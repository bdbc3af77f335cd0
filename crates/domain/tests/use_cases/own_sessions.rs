//! The user's own sessions, and another password.

use std::time::Duration;

use alpine_domain::{
    Error, Result,
    account::{AddressDigest, NewPassword, Secret, SessionId, Sessions, SignedIn},
    ports::secrets::HashPriority,
};

use crate::support::{DAY, PASSWORD, START, World, now, told};

const KNOWN: HashPriority = HashPriority::Known;
const NEW: &str = "another river at noon";

fn home() -> AddressDigest {
    AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap()
}

fn change(world: &World, who: &SignedIn, current: &str, new: &str) -> Result<SignedIn> {
    let new = NewPassword::parse(new).unwrap();
    let user = who.account.id;
    now(world.cases.accounts.change_password(user, &home(), (current, KNOWN), &new))
}

fn ids(sessions: &Sessions) -> Vec<SessionId> {
    sessions.newest.iter().map(|session| session.id).collect()
}

#[test]
fn a_list_shows_a_hundred_sessions_and_says_that_there_are_more() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let list = || now(world.cases.accounts.sessions(ada.account.id)).unwrap();
    let mut opened = vec![ada.session];
    for n in 1..=100 {
        assert_eq!((list().newest.len(), list().has_more), (opened.len(), false));
        world.at(Duration::from_secs(n));
        opened.insert(0, world.sign_in("ada@example.com").unwrap().session);
    }
    assert_eq!((ids(&list()), list().has_more), (opened[..100].to_vec(), true));
}

#[test]
fn a_session_is_listed_until_it_ends_and_tells_when_it_was_used() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let list = || now(world.cases.accounts.sessions(ada.account.id)).unwrap().newest;
    world.at(DAY);
    now(world.cases.accounts.refresh(None, ada.refresh_token.reveal())).unwrap();
    let session = &list()[0];
    assert_eq!((session.created_at, session.last_used_at), (START, START.later(DAY)));
    world.at(30 * DAY - Duration::from_micros(1));
    assert_eq!(list().len(), 1);
    world.at(30 * DAY);
    assert_eq!(list(), []);
}

#[test]
fn ending_one_session_ends_its_tokens_and_no_others() {
    let world = World::new();
    let (ada, eve) = (world.sign_up("ada@example.com"), world.sign_up("eve@example.com"));
    let other = world.sign_in("ada@example.com").unwrap();
    let end =
        |who: &SignedIn, session| now(world.cases.accounts.end_session(who.account.id, session));
    let unknown = Error::NotFound("session").to_string();
    assert_eq!(told(end(&eve, ada.session)), unknown);
    assert!(world.is_let_in(&ada.access_token));
    end(&ada, ada.session).unwrap();
    assert!(!world.is_let_in(&ada.access_token));
    assert!(world.is_let_in(&other.access_token));
    assert_eq!(told(end(&ada, ada.session)), unknown);
}

#[test]
fn another_password_ends_every_session_but_the_one_that_it_opens() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let elsewhere = world.sign_in("ada@example.com").unwrap();
    let changed = change(&world, &ada, PASSWORD, NEW).unwrap();
    for old in [&ada, &elsewhere] {
        assert!(!world.is_let_in(&old.access_token));
        assert!(now(world.cases.accounts.refresh(None, old.refresh_token.reveal())).is_err());
    }
    assert!(world.is_let_in(&changed.access_token));
    let sessions = now(world.cases.accounts.sessions(ada.account.id)).unwrap();
    assert_eq!(ids(&sessions), [changed.session]);
    assert_eq!(sessions.newest[0].address, Some(home()));
    let sign_in =
        |password| now(world.cases.accounts.sign_in(None, KNOWN, "ada@example.com", password));
    assert!(sign_in(PASSWORD).is_err());
    assert!(sign_in(NEW).is_ok());
}

#[test]
fn a_password_is_changed_to_another_one_that_is_not_the_address() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let longest = "x".repeat(NewPassword::MAX_TYPED_BYTES + 1);
    for (current, new, refusal) in [
        ("a quiet river at dusk", NEW, "forbidden: the current password is wrong"),
        (&longest, NEW, "forbidden: the current password is wrong"),
        // What is said of the new one tells nothing of the current one.
        ("a quiet river at dusk", PASSWORD, "forbidden: the current password is wrong"),
        (
            PASSWORD,
            PASSWORD,
            "invalid input: new_password: must be another one than the current one",
        ),
        (
            PASSWORD,
            "ADA@example.com",
            "invalid input: new_password: must not be the e-mail address",
        ),
    ] {
        assert_eq!(told(change(&world, &ada, current, new)), refusal);
    }
    assert!(world.is_let_in(&ada.access_token));
    assert_eq!(now(world.cases.accounts.sessions(ada.account.id)).unwrap().newest.len(), 1);
}
