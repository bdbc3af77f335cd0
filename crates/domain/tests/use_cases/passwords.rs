//! Which passwords may be set, and what they open.

use alpine_domain::{
    Error, Result,
    account::{Account, NewAccount, NewPassword, Role, Tier, UserId},
    error::ConflictKind,
    ports::secrets::HashPriority,
};

use crate::support::{OUTDATED, PASSWORD, START, TODAYS, World, now, told};

const KNOWN: HashPriority = HashPriority::Known;
const WRONG: &str = "not authenticated: the e-mail address or the password is wrong";

/// A password of so many characters, each of them two bytes long.
fn of_length(chars: usize) -> String {
    "äöü".chars().cycle().take(chars).collect()
}

#[test]
fn a_password_has_12_to_128_characters() {
    let world = World::new();
    let (short, long) = ("must have at least 12 characters", "must have at most 128 characters");
    for (chars, refusal) in [(11, Some(short)), (12, None), (128, None), (129, Some(long))] {
        let email = format!("user{chars}@example.com");
        let password = of_length(chars);
        let signed_up = now(world.cases.accounts.sign_up(&email, &password, "Ada"));
        let promoted = world.cases.accounts.create_admin("op@example.com", &password, "Op");
        if let Some(reason) = refusal {
            let told_of = format!("invalid input: password: {reason}");
            assert_eq!(told(signed_up), told_of, "{chars}");
            assert_eq!(told(now(promoted)), told_of, "{chars}");
        } else {
            signed_up.unwrap();
            let signed_in = world.cases.accounts.sign_in(None, KNOWN, &email, &password);
            assert!(now(signed_in).is_ok(), "{chars}");
        }
    }
}

#[test]
fn every_refused_part_is_named_at_once() {
    let world = World::new();
    let refused = now(world.cases.accounts.sign_up("no address", "short", ""));
    let Err(Error::Invalid(fields)) = refused else { panic!("{refused:?}") };
    let fields: Vec<_> = fields.iter().map(|refusal| refusal.field).collect();
    assert_eq!(fields, ["email", "password", "full_name"]);
    for (password, full_name) in [("ada@example.com", "Ada"), ("ADA@example.com", "Ada")] {
        let refused = now(world.cases.accounts.sign_up("ada@example.com", password, full_name));
        assert_eq!(told(refused), "invalid input: password: must not be the e-mail address");
    }
    world.sign_up("ada@example.com");
    let taken = now(world.cases.accounts.sign_up("Ada@Example.com", PASSWORD, "Eve"));
    assert!(matches!(taken, Err(Error::Conflict(c)) if c.kind == ConflictKind::EmailTaken));
}

/// Whatever is wrong, the answer is the same.
#[test]
fn a_wrong_password_opens_nothing() {
    let world = World::new();
    world.sign_up("ada@example.com");
    let longest = "x".repeat(NewPassword::MAX_TYPED_BYTES);
    for (email, password) in [
        ("ada@example.com", "a quiet river at dusk"),
        ("ada@example.com", ""),
        ("ada@example.com", &longest),
        ("ada@example.com", &format!("{longest}x")),
        ("eve@example.com", PASSWORD),
        ("no address", PASSWORD),
    ] {
        let refused = now(world.cases.accounts.sign_in(None, KNOWN, email, password));
        assert_eq!(told(refused), WRONG, "{email} {} bytes", password.len());
    }
    assert!(now(world.cases.accounts.sign_in(None, KNOWN, "ADA@example.com", PASSWORD)).is_ok());
}

/// An account with this hash, as an older release left it.
fn stored(world: &World, email: &str, password_hash: &str) {
    let account = NewAccount {
        id: UserId::generate(START, [7; 10]),
        email: email.parse().unwrap(),
        full_name: "Ada".parse().unwrap(),
        password_hash: password_hash.to_owned(),
        tier: Tier::Free,
        role: Role::User,
        created_at: START,
        welcome: None,
    };
    now(world.stores.accounts.create(account)).unwrap();
}

fn hash_of(world: &World, email: &str) -> String {
    now(world.stores.accounts.credentials(&email.parse().unwrap())).unwrap().unwrap().1
}

#[test]
fn an_outdated_hash_is_renewed_by_the_right_password_alone() {
    // The last one was hashed as it was typed, in another form than the normal one.
    let (composed, decomposed) = ("kafé au lait noir", "kafe\u{301} au lait noir");
    for (kept, typed, renewed) in [
        (format!("{OUTDATED}{PASSWORD}"), PASSWORD, format!("{TODAYS}{PASSWORD}")),
        (format!("{TODAYS}{composed}"), decomposed, format!("{TODAYS}{composed}")),
        (format!("{TODAYS}{decomposed}"), decomposed, format!("{TODAYS}{composed}")),
    ] {
        let world = World::new();
        stored(&world, "ada@example.com", &kept);
        let sign_in =
            |password| now(world.cases.accounts.sign_in(None, KNOWN, "ada@example.com", password));
        assert_eq!(told(sign_in("another river at dusk")), WRONG);
        assert_eq!(hash_of(&world, "ada@example.com"), kept);
        assert!(sign_in(typed).is_ok(), "{kept}");
        assert_eq!(hash_of(&world, "ada@example.com"), renewed);
    }
}

#[test]
fn another_address_needs_the_password() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account;
    world.sign_up("bob@example.com");
    world.memory.set_verified(ada.id, true);
    let change = |email: &str, password: Option<&str>| -> Result<Account> {
        let password = password.map(|password| (password, KNOWN));
        let email = Some(email.parse().unwrap());
        let changed = now(world.cases.accounts.update_profile(ada.id, None, email, password))?;
        assert!(!changed.waits_for_mail);
        Ok(changed.account)
    };
    let required = "invalid input: current_password: is required to change the address";
    let wrong = "forbidden: the current password is wrong";
    let taken = "an account with this e-mail address exists";
    let longest = "x".repeat(NewPassword::MAX_TYPED_BYTES + 1);
    for (email, password, reason) in [
        ("new@example.com", None, required),
        ("new@example.com", Some("another river at dusk"), wrong),
        ("new@example.com", Some(longest.as_str()), wrong),
        ("bob@example.com", Some("another river at dusk"), wrong),
        ("bob@example.com", Some(PASSWORD), taken),
    ] {
        assert_eq!(told(change(email, password)), reason, "{email} {password:?}");
    }
    let head = || now(world.stores.events.head()).unwrap();
    let before = head();
    let same = change("ADA@example.com", None).unwrap();
    assert_eq!(head(), before, "what changes nothing tells nobody of a change");
    assert_eq!(same, Account { is_verified: true, ..ada.clone() });
    let changed = change("new@example.com", Some(PASSWORD)).unwrap();
    assert_eq!(changed, Account { email: "new@example.com".parse().unwrap(), ..ada.clone() });
    assert!(world.sign_in("new@example.com").is_ok());
    assert_eq!(told(world.sign_in("ada@example.com")), WRONG);
    let name = Some("Ada King".parse().unwrap());
    let named = now(world.cases.accounts.update_profile(ada.id, name, None, None)).unwrap().account;
    assert_eq!(named, Account { full_name: "Ada King".parse().unwrap(), ..changed });
    let nobody = UserId::generate(START, [9; 10]);
    assert_eq!(told(now(world.cases.accounts.profile(nobody))), "account not found");
}
