//! How long who signed in is let in.

use std::time::Duration;

use alpine_domain::{
    Clock as _, Error,
    account::{
        AccountSettings, AddressProof, Caller, RevokedSession, Role, SignOut, SignedIn, Tier,
        Viewer,
    },
    ports::{events::EventHandler, secrets::HashPriority},
};

use crate::support::{DAY, MICROSECOND, PASSWORD, START, World, is_let_in, now, settings, told};

const TTL: Duration = Duration::from_mins(15);
const GRACE: Duration = Duration::from_secs(10);
const WRONG: &str = "not authenticated: the e-mail address or the password is wrong";
const DEAD: &str = "not authenticated: the refresh token is not valid any more; sign in again";

/// Accounts whose access tokens live for so long.
fn living(access_ttl: Duration) -> World {
    let accounts = AccountSettings { access_ttl, ..AccountSettings::default() };
    World::with(alpine_domain::use_cases::Settings { accounts, ..settings() })
}

fn refresh(world: &World, token: &SignedIn) -> Result<SignedIn, Error> {
    now(world.cases.accounts.refresh(None, token.refresh_token.reveal()))
}

/// What another instance did is known here once its rows were read, and not before.
#[test]
fn rows_of_the_log_are_applied_on_another_instance() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let other = world.restarted();
    assert!(is_let_in(&other, &ada.access_token));
    let read = now(world.stores.events.head()).unwrap();
    now(world.cases.accounts.sign_out(ada.session)).unwrap();
    assert!(is_let_in(&other, &ada.access_token), "nothing was read yet");
    let rows = now(world.stores.events.read_after(read, 10)).unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["session_revoked"]);
    for row in &rows {
        now(EventHandler::apply(&*other.memory, row)).unwrap();
    }
    assert!(!is_let_in(&other, &ada.access_token));
}

#[test]
fn an_access_token_lives_exactly_as_long_as_configured() {
    for ttl in [TTL, Duration::from_hours(36)] {
        let world = living(ttl);
        let ada = world.sign_up("ada@example.com");
        assert_eq!(ada.expires_in, ttl);
        world.at(ttl - MICROSECOND);
        assert!(world.is_let_in(&ada.access_token));
        world.at(ttl);
        assert!(!world.is_let_in(&ada.access_token));
    }
}

/// However long a token lives, it never comes back: neither here nor on an instance that starts later.
#[test]
fn a_token_that_was_signed_out_never_lives_again() {
    for ttl in [TTL, 3 * DAY] {
        let world = living(ttl);
        let ada = world.sign_up("ada@example.com");
        let other = world.sign_in("ada@example.com").unwrap();
        world.at(Duration::from_secs(1));
        now(world.cases.accounts.sign_out(ada.session)).unwrap();
        for span in [Duration::from_secs(1), ttl / 3, ttl / 2, ttl - MICROSECOND] {
            world.at(span);
            assert!(!world.is_let_in(&ada.access_token), "after {span:?} of {ttl:?}");
            assert!(!is_let_in(&world.restarted(), &ada.access_token), "anew after {span:?}");
            assert!(world.is_let_in(&other.access_token), "another session, after {span:?}");
        }
        assert_eq!(told(refresh(&world, &ada)), DEAD);
    }
}

/// Ten seconds longer than the longest token, for one that a refresh under way still issues.
#[test]
fn a_denial_outlasts_the_longest_token() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    world.at(Duration::from_mins(5));
    now(world.cases.accounts.sign_out(ada.session)).unwrap();
    let until = START.later(Duration::from_mins(20) + Duration::from_secs(10));
    let denied = || now(world.stores.accounts.revoked_sessions(world.clock.now(), 9)).unwrap();
    assert_eq!(denied(), [RevokedSession { session: ada.session, until }]);
    world.at(Duration::from_mins(20) + Duration::from_secs(10));
    assert_eq!(denied(), []);
}

#[test]
fn a_family_of_refresh_tokens_ends_when_it_was_to() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    world.at(15 * DAY);
    let half = refresh(&world, &ada).unwrap();
    assert_eq!((half.session, &half.account), (ada.session, &ada.account));
    assert!(world.is_let_in(&half.access_token));
    world.at(30 * DAY - MICROSECOND);
    let last = refresh(&world, &half).unwrap();
    world.at(30 * DAY);
    assert_eq!(told(refresh(&world, &last)), DEAD, "a refresh prolongs nothing");
    assert!(world.is_let_in(&last.access_token), "until it ends by itself");
    assert_eq!(told(now(world.cases.accounts.refresh(None, "alp_r_unknown"))), DEAD);
}

#[test]
fn a_used_refresh_token_is_heard_again_by_its_client_for_ten_seconds() {
    let (home, other) = ("192.0.2.7", "192.0.2.8");
    for (first, second, span, is_heard) in [
        (Some(home), Some(home), Duration::ZERO, true),
        (Some(home), Some(home), GRACE - MICROSECOND, true),
        (Some(home), Some(home), GRACE, false),
        (Some(home), Some(other), Duration::ZERO, false),
        (Some(home), None, Duration::ZERO, false),
        (None, Some(home), Duration::ZERO, false),
        (None, None, Duration::ZERO, false),
    ] {
        let case = format!("{first:?} then {second:?} after {span:?}");
        let world = World::new();
        let accounts = &world.cases.accounts;
        let ada = world.sign_up("ada@example.com");
        let from = |address: Option<&str>, token: &SignedIn| {
            let digest = address.map(|address| accounts.address_digest(address).unwrap());
            now(accounts.refresh(digest.as_ref(), token.refresh_token.reveal()))
        };
        let next = from(first, &ada).unwrap();
        world.at(span);
        let again = from(second, &ada);
        if is_heard {
            assert_eq!(again.unwrap().refresh_token, next.refresh_token, "{case}");
            assert!(world.is_let_in(&next.access_token), "{case}");
            let third = from(first, &next).unwrap();
            assert_eq!(told(from(second, &ada)), DEAD, "{case}: its successor was used");
            assert!(!world.is_let_in(&third.access_token), "{case}");
        } else {
            assert_eq!(told(again), DEAD, "{case}");
            assert!(!world.is_let_in(&next.access_token), "{case}: the family is revoked");
            assert_eq!(told(from(first, &next)), DEAD, "{case}");
            world.at(TTL - MICROSECOND);
            assert!(!world.is_let_in(&next.access_token), "{case}: for as long as it lived");
        }
    }
}

#[test]
fn whoever_signs_out_everywhere_may_sign_in_at_once() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let bob = world.sign_up("bob@example.com");
    now(world.cases.accounts.sign_out_everywhere(ada.account.id, SignOut::Sessions)).unwrap();
    let again = world.sign_in("ada@example.com").unwrap();
    let found = [&ada, &bob, &again].map(|signed_in| world.is_let_in(&signed_in.access_token));
    assert_eq!(found, [false, true, true]);
    assert_eq!(told(refresh(&world, &ada)), DEAD);

    now(world.cases.accounts.sign_out_everybody()).unwrap();
    let last = world.sign_in("ada@example.com").unwrap();
    let found = [&bob, &again, &last].map(|signed_in| world.is_let_in(&signed_in.access_token));
    assert_eq!(found, [false, false, true]);
    assert_eq!(told(refresh(&world, &bob)), DEAD);
    assert!(refresh(&world, &last).is_ok());
}

#[test]
fn a_disabled_account_is_shut_out_of_everything() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let elite = now(world.cases.accounts.set_tier_and_role(&ada.account, Tier::Elite, Role::User));
    let state = world.state(elite.unwrap().id);
    let made = world.cases.accounts.create_api_key(ada.account.id, state, "bot", None, None);
    let (_, key) = now(made).unwrap();
    assert!(now(world.cases.authenticator.key(key.reveal())).is_ok());
    world.memory.set_active(ada.account.id, false);

    let cases = world.restarted();
    let disabled = "not authenticated: the account is disabled or gone";
    assert_eq!(told(now(cases.authenticator.bearer(ada.access_token.reveal()))), disabled);
    assert_eq!(told(now(cases.authenticator.key(key.reveal()))), disabled);
    assert_eq!(told(world.sign_in("ada@example.com")), WRONG);
    assert_eq!(told(refresh(&world, &ada)), DEAD);
    let promoted = cases.accounts.promote("ada@example.com", PASSWORD, AddressProof::Operator);
    assert_eq!(told(now(promoted)), "account not found");

    world.memory.set_active(ada.account.id, true);
    assert!(world.sign_in("ada@example.com").is_ok());
}

/// A change is seen by the very next request, with tokens and keys from before.
#[test]
fn a_caller_is_what_the_account_is_now() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let accounts = &world.cases.accounts;
    now(accounts.set_tier_and_role(&ada.account, Tier::Elite, Role::User)).unwrap();
    let state = world.state(ada.account.id);
    let (_, key) = now(accounts.create_api_key(ada.account.id, state, "bot", None, None)).unwrap();
    for (tier, role, viewer) in [
        (Tier::Elite, Role::User, Viewer::Subscriber(Tier::Elite)),
        (Tier::Pro, Role::User, Viewer::Subscriber(Tier::Pro)),
        (Tier::Starter, Role::User, Viewer::Subscriber(Tier::Starter)),
        (Tier::Free, Role::User, Viewer::Subscriber(Tier::Free)),
        (Tier::Free, Role::Admin, Viewer::Admin),
        (Tier::Elite, Role::Admin, Viewer::Admin),
    ] {
        let account = now(accounts.set_tier_and_role(&ada.account, tier, role)).unwrap();
        assert_eq!((account.tier, account.role), (tier, role));
        let callers = [
            now(world.cases.authenticator.bearer(ada.access_token.reveal())).unwrap(),
            now(world.cases.authenticator.key(key.reveal())).unwrap(),
        ];
        assert_eq!(callers.each_ref().map(Caller::viewer), [viewer; 2], "{tier} {role}");
        assert_eq!(callers.each_ref().map(Caller::user), [Some(ada.account.id); 2]);
    }
}

#[test]
fn a_new_account_is_what_the_operator_decided() {
    let accounts = AccountSettings { signup_tier: Tier::Starter, ..AccountSettings::default() };
    let world = World::with(alpine_domain::use_cases::Settings { accounts, ..settings() });
    world.at(Duration::from_secs(5));
    let ada = world.sign_up("Ada@Example.com").account;
    let found = (ada.tier, ada.role, ada.is_active, ada.is_verified, ada.generation);
    assert_eq!(found, (Tier::Starter, Role::User, true, false, 0));
    assert_eq!([ada.created_at, ada.updated_at], [START.later(Duration::from_secs(5)); 2]);
}

/// The owner at home is no stranger, however the address is typed.
#[test]
fn an_address_is_known_under_every_spelling_of_the_account() {
    let world = World::new();
    let accounts = &world.cases.accounts;
    let home = accounts.address_digest("192.0.2.7").unwrap();
    world.sign_up("jos\u{e9}@example.com");
    now(accounts.sign_in(Some(&home), HashPriority::Stranger, "jos\u{e9}@example.com", PASSWORD))
        .unwrap();
    for spelling in ["jos\u{e9}@example.com", "jose\u{301}@example.com"] {
        let known = now(accounts.knows(&home, spelling)).unwrap();
        assert_eq!(known, HashPriority::Known, "{spelling}");
    }
}

#[test]
fn a_promotion_leaves_nothing_to_who_held_the_account_before() {
    let world = World::new();
    let accounts = &world.cases.accounts;
    let home = accounts.address_digest("192.0.2.7").unwrap();
    let eve = world.sign_up("ops@example.com");
    let known = || now(accounts.knows(&home, "ops@example.com")).unwrap();
    assert_eq!(known(), HashPriority::Stranger);
    let sign_in = |password: &str| {
        now(accounts.sign_in(Some(&home), HashPriority::Known, "ops@example.com", password))
    };
    sign_in(PASSWORD).unwrap();
    assert_eq!(known(), HashPriority::Known);
    assert_eq!(now(accounts.knows(&home, "no@example.com")).unwrap(), HashPriority::Stranger);

    let new = "another river at dusk";
    let unproved = now(accounts.promote("ops@example.com", new, AddressProof::Verified));
    let reason = "forbidden: nobody has shown that this address is theirs";
    assert_eq!(told(unproved), reason);
    assert!(world.is_let_in(&eve.access_token), "what was refused changed nothing");
    world.memory.set_verified(eve.account.id, true);
    let promoted = now(accounts.promote("ops@example.com", new, AddressProof::Verified)).unwrap();
    assert_eq!((promoted.role, promoted.generation), (Role::Admin, 1));
    assert!(!world.is_let_in(&eve.access_token));
    assert_eq!(told(refresh(&world, &eve)), DEAD);
    assert_eq!(told(sign_in(PASSWORD)), WRONG);
    assert_eq!(known(), HashPriority::Stranger);
    assert!(world.is_let_in(&sign_in(new).unwrap().access_token));
}
