//! Users' and producers' keys.

use std::time::Duration;

use alpine_domain::{
    Error,
    account::{
        API_KEY_PREFIX, AccountSettings, AddressProof, ApiKey, Caller, KeysByTier, Role, Scopes,
        Secret, SignOut, Tier, UserId,
    },
    error::ConflictKind,
};

use crate::support::{DAY, MICROSECOND, PASSWORD, START, World, now, settings, told};

const UNKNOWN: &str = "not authenticated: the API key is not valid";

/// A world with so many keys for the elite tier, and an elite subscriber in it.
fn elite(most: u32) -> (World, UserId) {
    let max_api_keys = KeysByTier { free: 0, starter: 0, pro: 0, elite: most };
    let accounts = AccountSettings { max_api_keys, ..AccountSettings::default() };
    let world = World::with(alpine_domain::use_cases::Settings { accounts, ..settings() });
    let ada = world.sign_up("ada@example.com").account;
    now(world.cases.accounts.set_tier_and_role(&ada, Tier::Elite, Role::User)).unwrap();
    (world, ada.id)
}

fn make(world: &World, user: UserId, ends: Option<Duration>) -> Result<(ApiKey, Secret), Error> {
    let ends = ends.map(|span| START.later(span));
    let state = world.state(user);
    now(world.cases.accounts.create_api_key(user, state, "bot", None, ends))
}

fn asked(world: &World, key: &Secret) -> Result<Caller, Error> {
    now(world.cases.authenticator.key(key.reveal()))
}

#[test]
fn every_tier_brings_so_many_keys_as_its_plan_says() {
    let max_api_keys = KeysByTier { free: 1, starter: 2, pro: 3, elite: 4 };
    let accounts = AccountSettings { max_api_keys, ..AccountSettings::default() };
    for (tier, role, most) in [
        (Tier::Free, Role::User, 1),
        (Tier::Starter, Role::User, 2),
        (Tier::Pro, Role::User, 3),
        (Tier::Elite, Role::User, 4),
        (Tier::Free, Role::Admin, 4),
        (Tier::Elite, Role::Admin, 4),
    ] {
        let settings = settings();
        let settings =
            alpine_domain::use_cases::Settings { accounts: accounts.clone(), ..settings };
        let world = World::with(settings);
        let ada = world.sign_up("ada@example.com").account;
        now(world.cases.accounts.set_tier_and_role(&ada, tier, role)).unwrap();
        for _ in 0..most {
            let (key, secret) = make(&world, ada.id, None).unwrap();
            let caller = asked(&world, &secret).unwrap();
            let state = world.state(ada.id);
            assert_eq!(
                caller,
                Caller::ApiKey { key: key.id, owner: ada.id, scopes: Scopes::UNNAMED, state }
            );
        }
        let refused = told(make(&world, ada.id, None));
        let reason = format!("your plan brings {most} API keys at a time; revoke one first");
        assert!(refused.contains(&reason), "{tier} {role}: {refused}");
    }
}

/// Bots go on with the rights of the lower tier; what is revoked then is not made again.
#[test]
fn who_is_downgraded_keeps_the_keys_and_makes_no_further_ones() {
    let max_api_keys = KeysByTier { free: 1, starter: 2, pro: 3, elite: 4 };
    let accounts = AccountSettings { max_api_keys, ..AccountSettings::default() };
    let world = World::with(alpine_domain::use_cases::Settings { accounts, ..settings() });
    let ada = world.sign_up("ada@example.com").account;
    now(world.cases.accounts.set_tier_and_role(&ada, Tier::Pro, Role::User)).unwrap();
    let made: Vec<_> = (0..3).map(|_| make(&world, ada.id, None).unwrap()).collect();
    now(world.cases.accounts.set_tier_and_role(&ada, Tier::Free, Role::User)).unwrap();
    for (_, secret) in &made {
        let Caller::ApiKey { state, .. } = asked(&world, secret).unwrap() else { panic!("a key") };
        assert_eq!(state.tier, Tier::Free);
    }
    for (key, _) in &made {
        assert!(told(make(&world, ada.id, None)).contains("your plan brings 1 API key"));
        now(world.cases.accounts.revoke_api_key(ada.id, key.id)).unwrap();
    }
    make(&world, ada.id, None).unwrap();
}

#[test]
fn a_key_is_shown_once_and_listed_as_it_was_made() {
    let (world, ada) = elite(10);
    world.at(Duration::from_secs(1));
    let (key, secret) = make(&world, ada, Some(DAY)).unwrap();
    let expected = ApiKey {
        id: key.id,
        owner: ada,
        name: "bot".parse().unwrap(),
        prefix: secret.reveal()[..API_KEY_PREFIX.len() + 6].to_owned(),
        scopes: Scopes::UNNAMED,
        created_at: START.later(Duration::from_secs(1)),
        expires_at: Some(START.later(DAY)),
    };
    assert_eq!(key, expected);
    world.at(Duration::from_secs(2));
    let (newer, _) = make(&world, ada, None).unwrap();
    assert_eq!(now(world.cases.accounts.list_api_keys(ada)).unwrap(), [newer, key]);
    assert!(secret.reveal().starts_with(API_KEY_PREFIX));
}

#[test]
fn a_key_ends_exactly_when_it_was_to() {
    let (world, ada) = elite(10);
    world.at(DAY);
    let past = "invalid input: expires_at: must lie in the future";
    for ends in [DAY - MICROSECOND, DAY] {
        assert_eq!(told(make(&world, ada, Some(ends))), past);
    }
    make(&world, ada, Some(DAY + MICROSECOND)).unwrap();

    let ends = 2 * DAY;
    let (key, remembered) = make(&world, ada, Some(ends)).unwrap();
    assert!(!world.cases.authenticator.remembers(remembered.reveal()), "nobody asked yet");
    let (_, forever) = make(&world, ada, None).unwrap();
    world.at(ends - MICROSECOND);
    assert!(asked(&world, &remembered).is_ok());
    assert!(world.cases.authenticator.remembers(remembered.reveal()));
    assert!(now(world.cases.accounts.list_api_keys(ada)).unwrap().contains(&key));
    world.at(ends);
    assert_eq!(told(asked(&world, &remembered)), UNKNOWN, "although it is remembered");
    let anew = world.restarted();
    assert_eq!(told(now(anew.authenticator.key(remembered.reveal()))), UNKNOWN);
    assert_eq!(now(world.cases.accounts.list_api_keys(ada)).unwrap().len(), 1);
    let revoked = now(world.cases.accounts.revoke_api_key(ada, key.id));
    assert_eq!(told(revoked), "API key not found");
    assert!(asked(&world, &forever).is_ok());
}

#[test]
fn live_keys_are_bounded() {
    for max in [1, 3] {
        let (world, ada) = elite(max);
        let mut keys = Vec::new();
        for n in 0..max {
            let ends = if n == 0 { Some(DAY) } else { None };
            keys.push(make(&world, ada, ends).unwrap().0);
        }
        let is_full = || {
            let made = make(&world, ada, None);
            matches!(made, Err(Error::Conflict(c)) if c.kind == ConflictKind::LimitReached)
        };
        assert!(is_full());
        world.at(DAY - MICROSECOND);
        assert!(is_full());
        world.at(DAY);
        let (key, _) = make(&world, ada, None).unwrap();
        assert!(is_full());
        now(world.cases.accounts.revoke_api_key(ada, key.id)).unwrap();
        assert!(make(&world, ada, None).is_ok());
        assert!(is_full());
    }
}

#[test]
fn a_key_is_revoked_at_once_and_by_its_owner_alone() {
    let (world, ada) = elite(10);
    let bob = world.sign_up("bob@example.com").account.id;
    let (key, secret) = make(&world, ada, None).unwrap();
    assert!(asked(&world, &secret).is_ok());
    let theirs = now(world.cases.accounts.revoke_api_key(bob, key.id));
    assert_eq!(told(theirs), "API key not found");
    assert!(asked(&world, &secret).is_ok());
    now(world.cases.accounts.revoke_api_key(ada, key.id)).unwrap();
    assert_eq!(told(asked(&world, &secret)), UNKNOWN);
    assert_eq!(now(world.cases.accounts.list_api_keys(ada)).unwrap(), []);
}

#[test]
fn a_sign_out_of_everything_leaves_keys_and_a_promotion_does_not() {
    let (world, ada) = elite(10);
    let (_, secret) = make(&world, ada, None).unwrap();
    let before = world.state(ada);
    now(world.cases.accounts.sign_out_everywhere(ada, SignOut::Sessions)).unwrap();
    now(world.cases.accounts.sign_out_everybody()).unwrap();
    assert!(asked(&world, &secret).is_ok());
    let late = now(world.cases.accounts.create_api_key(ada, before, "bot", None, None));
    assert_eq!(told(late), "not authenticated: the account was signed out");
    let promoted =
        world.cases.accounts.promote("ada@example.com", PASSWORD, AddressProof::Operator);
    now(promoted).unwrap();
    assert_eq!(told(asked(&world, &secret)), UNKNOWN);
}

#[test]
fn who_asks_for_it_ends_all_keys_with_all_sessions() {
    let (world, ada) = elite(10);
    let elsewhere = world.restarted();
    let bob = world.sign_up("bob@example.com").account;
    now(world.cases.accounts.set_tier_and_role(&bob, Tier::Elite, Role::User)).unwrap();
    let bob = bob.id;
    let secrets = [(ada, "one"), (ada, "other"), (bob, "bob's")].map(|(owner, _)| {
        let (_, secret) = make(&world, owner, None).unwrap();
        assert!(asked(&world, &secret).is_ok());
        secret
    });
    now(world.cases.accounts.sign_out_everywhere(ada, SignOut::SessionsAndKeys)).unwrap();
    let found = secrets.each_ref().map(|secret| asked(&world, secret).is_ok());
    assert_eq!(found, [false, false, true]);
    assert_eq!(now(elsewhere.accounts.list_api_keys(ada)).unwrap(), []);
    // A key that is made afterwards is good.
    let (_, secret) = make(&world, ada, None).unwrap();
    assert!(asked(&world, &secret).is_ok());
}

#[test]
fn a_request_for_a_key_is_refused_in_all_its_parts() {
    let (world, ada) = elite(10);
    let state = world.state(ada);
    let scopes = ["signals:read".to_owned(), "signals:write".to_owned()];
    let refused = world.cases.accounts.create_api_key(ada, state, "", Some(&scopes), Some(START));
    let Err(Error::Invalid(fields)) = now(refused) else { panic!() };
    let fields: Vec<_> = fields.iter().map(|refusal| refusal.field).collect();
    assert_eq!(fields, ["name", "scopes", "expires_at"]);
    let made = world.cases.accounts.create_api_key(ada, state, "bot", Some(&scopes[..1]), None);
    assert!(now(made).is_ok());
}

#[test]
fn a_producer_is_let_in_by_its_key_until_it_is_disabled() {
    let world = World::new();
    let (argo, key) = now(world.cases.producers.create("argo", true)).unwrap();
    assert_eq!(asked(&world, &key).unwrap(), Caller::Producer(argo.clone()));
    let longest = Secret::new("k".repeat(256));
    let zeus = now(world.cases.producers.ensure("zeus", &longest, false)).unwrap();
    assert_eq!(asked(&world, &longest).unwrap(), Caller::Producer(zeus.clone()));
    let beyond = Secret::new("k".repeat(257));
    now(world.cases.producers.ensure("hera", &beyond, false)).unwrap();
    assert_eq!(told(asked(&world, &beyond)), UNKNOWN, "not even looked at");
    assert_eq!(now(world.cases.producers.list()).unwrap().len(), 3);
    now(world.cases.producers.disable(argo.id)).unwrap();
    assert_eq!(told(asked(&world, &key)), UNKNOWN);
    assert_eq!(asked(&world, &longest).unwrap(), Caller::Producer(zeus));
}
