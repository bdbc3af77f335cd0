//! A code besides the password.

use std::time::Duration;

use alpine_domain::{
    Clock as _, Error, Result,
    account::{
        AddressProof, CHALLENGE_TTL, FactorCode, FactorSetup, MOST_TRIES, NewPassword, SignIn,
        SignOut, SignedIn, UserId,
    },
    audit::Action,
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, OLDER_KEY, PASSWORD, TODAYS_KEY, World, now, told};

const EMAIL: &str = "ada@example.com";
const KNOWN: HashPriority = HashPriority::Known;
const STEP: Duration = Duration::from_secs(30);
const WRONG: &str = "not authenticated: the code is wrong, or was used before";
const NOT_OPEN: &str =
    "not authenticated: the mfa_token is not good, or not any more; sign in again";
const REFUSED: &str = "forbidden: the code is wrong, or was used before";

/// An authenticator: RFC 6238 by another path than the code under test.
fn code_at(setup: &FactorSetup, seconds: i64) -> FactorCode {
    let secret = totp_rs::Secret::try_from_base32(setup.secret.reveal()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = totp.generate(u64::try_from(seconds).unwrap()).to_string();
    FactorCode::parse(&code).unwrap()
}

fn wrong() -> FactorCode {
    // Of a million codes three are right; the counter of these tests makes none of them this one.
    FactorCode::parse("000000").unwrap()
}

impl World {
    fn code(&self, setup: &FactorSetup) -> FactorCode {
        code_at(setup, self.clock.now().seconds())
    }

    fn set_up(&self, user: UserId) -> FactorSetup {
        now(self.cases.accounts.set_up_factor(user)).unwrap()
    }

    fn enable(&self, user: UserId, password: &str, code: &FactorCode) -> Result<()> {
        now(self.cases.accounts.enable_factor(user, (password, KNOWN), code))
    }

    /// An account whose second factor is on, a step later than its first code.
    fn with_factor(&self) -> (SignedIn, FactorSetup) {
        let ada = self.sign_up(EMAIL);
        let setup = self.set_up(ada.account.id);
        self.enable(ada.account.id, PASSWORD, &self.code(&setup)).unwrap();
        self.clock.advance(STEP);
        (ada, setup)
    }

    fn begin(&self, password: &str) -> Result<SignIn> {
        now(self.cases.accounts.begin_sign_in(None, KNOWN, EMAIL, password))
    }

    /// The token with which a code can be sent.
    fn mfa_token(&self) -> String {
        match self.begin(PASSWORD).unwrap() {
            SignIn::NeedsCode(needed) => needed.token.reveal().to_owned(),
            SignIn::Complete(_) => panic!("no code was asked for"),
        }
    }

    fn send(&self, token: &str, code: &FactorCode) -> Result<SignedIn> {
        now(self.cases.accounts.sign_in_with_code(None, token, code))
    }

    fn status(&self, user: UserId) -> (bool, u32, bool) {
        let status = now(self.cases.accounts.factor_status(user)).unwrap();
        (status.enabled_at.is_some(), status.codes_left, status.pending_until.is_some())
    }
}

#[test]
fn the_password_alone_opens_no_session_once_a_code_was_shown() {
    let world = World::new();
    let ada = world.sign_up(EMAIL);
    let user = ada.account.id;
    assert_eq!(world.status(user), (false, 0, false));
    let setup = world.set_up(user);
    assert_eq!(world.status(user), (false, 0, true));
    assert!(matches!(world.begin(PASSWORD), Ok(SignIn::Complete(_))), "nothing is asked for yet");
    let code = world.code(&setup);
    let other = "forbidden: the current password is wrong";
    assert_eq!(told(world.enable(user, "another river at dawn", &code)), other);
    assert_eq!(told(world.enable(user, PASSWORD, &wrong())), REFUSED);
    let backup = FactorCode::parse(setup.backup_codes[0].reveal()).unwrap();
    assert_eq!(told(world.enable(user, PASSWORD, &backup)), REFUSED, "the authenticator must work");
    assert_eq!(world.status(user), (false, 0, true));
    world.enable(user, PASSWORD, &code).unwrap();
    assert_eq!(world.status(user), (true, 10, false));
    assert!(world.is_let_in(&ada.access_token), "sessions stay");

    let refused = told(world.sign_in(EMAIL));
    assert_eq!(refused, "not authenticated: a second factor is needed");
    let token = world.mfa_token();
    assert_eq!(told(world.send(&token, &code)), WRONG, "the code that switched it on is used up");
    world.clock.advance(STEP);
    let signed_in = world.send(&token, &world.code(&setup)).unwrap();
    assert_eq!(signed_in.account.id, user);
    assert!(world.is_let_in(&signed_in.access_token));
    let refreshed = now(world.cases.accounts.refresh(None, signed_in.refresh_token.reveal()));
    assert!(refreshed.is_ok());
}

#[test]
fn a_wrong_password_tells_nothing_of_a_second_factor() {
    let world = World::new();
    world.with_factor();
    let answers = [
        world.begin("another river at dawn").map(|_| ()),
        now(world.cases.accounts.begin_sign_in(None, KNOWN, "bob@example.com", PASSWORD))
            .map(|_| ()),
    ];
    for answer in answers {
        assert_eq!(told(answer), "not authenticated: the e-mail address or the password is wrong");
    }
}

#[test]
fn a_code_is_accepted_once_within_its_step_and_the_next() {
    let world = World::new();
    let (_, setup) = world.with_factor();
    let code = world.code(&setup);
    world.send(&world.mfa_token(), &code).unwrap();
    assert_eq!(told(world.send(&world.mfa_token(), &code)), WRONG);
    let steps = |n: i64| code_at(&setup, world.clock.now().seconds() + 30 * n);
    assert_eq!(
        told(world.send(&world.mfa_token(), &steps(-1))),
        WRONG,
        "older than what was accepted"
    );
    assert_eq!(told(world.send(&world.mfa_token(), &steps(2))), WRONG);
    world.send(&world.mfa_token(), &steps(1)).unwrap();
    assert_eq!(told(world.send(&world.mfa_token(), &steps(0))), WRONG);
}

#[test]
fn a_token_is_good_for_five_codes_five_minutes_and_one_session() {
    let world = World::new();
    let (_, setup) = world.with_factor();
    let token = world.mfa_token();
    for _ in 0..MOST_TRIES {
        assert_eq!(told(world.send(&token, &wrong())), WRONG);
    }
    assert_eq!(told(world.send(&token, &world.code(&setup))), NOT_OPEN);
    assert_eq!(told(now(world.cases.accounts.challenged(&token))), NOT_OPEN);

    let token = world.mfa_token();
    for _ in 1..MOST_TRIES {
        assert_eq!(told(world.send(&token, &wrong())), WRONG);
    }
    assert_eq!(now(world.cases.accounts.challenged(&token)).unwrap().email.as_str(), EMAIL);
    world.send(&token, &world.code(&setup)).unwrap();
    world.clock.advance(STEP);
    assert_eq!(told(world.send(&token, &world.code(&setup))), NOT_OPEN, "it is used up");

    let (token, other) = (world.mfa_token(), world.mfa_token());
    world.clock.advance(CHALLENGE_TTL - MICROSECOND);
    world.send(&token, &world.code(&setup)).unwrap();
    world.clock.advance(MICROSECOND);
    assert_eq!(told(now(world.cases.accounts.challenged(&other))), NOT_OPEN);
    world.clock.advance(STEP);
    assert_eq!(told(world.send(&other, &world.code(&setup))), NOT_OPEN);
    assert_eq!(told(world.send("alp_m_00", &world.code(&setup))), NOT_OPEN);
}

#[test]
fn a_token_opens_nothing_by_itself() {
    let world = World::new();
    world.with_factor();
    let token = world.mfa_token();
    let authenticator = &world.cases.authenticator;
    assert!(matches!(now(authenticator.bearer(&token)), Err(Error::Unauthenticated(_))));
    assert!(matches!(now(authenticator.key(&token)), Err(Error::Unauthenticated(_))));
    assert!(now(world.cases.accounts.refresh(None, &token)).is_err());
}

#[test]
fn a_token_ends_with_what_the_password_proved() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let user = ada.account.id;
    let sends = |token: &str| {
        world.clock.advance(STEP);
        world.send(token, &world.code(&setup)).map(|_| ())
    };
    let token = world.mfa_token();
    now(world.cases.accounts.sign_out_everywhere(user, SignOut::Sessions)).unwrap();
    assert_eq!(told(sends(&token)), NOT_OPEN);
    let token = world.mfa_token();
    now(world.cases.accounts.sign_out_everybody()).unwrap();
    assert_eq!(told(sends(&token)), NOT_OPEN);
    let token = world.mfa_token();
    world.memory.set_active(user, false);
    assert_eq!(told(sends(&token)), NOT_OPEN);
    world.memory.set_active(user, true);

    let token = world.mfa_token();
    let address = now(async { world.cases.accounts.address_digest("192.0.2.7") }).unwrap();
    let other = NewPassword::parse("a loud river at noon").unwrap();
    let change = world.cases.accounts.change_password(user, &address, (PASSWORD, KNOWN), &other);
    now(change).unwrap();
    assert_eq!(told(sends(&token)), NOT_OPEN);
    let asked = world.begin("a loud river at noon").unwrap();
    assert!(matches!(asked, SignIn::NeedsCode(_)), "another password leaves the second factor");
}

#[test]
fn a_backup_code_stands_for_a_code_once() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let backup = |n: usize| FactorCode::parse(setup.backup_codes[n].reveal()).unwrap();
    world.send(&world.mfa_token(), &backup(0)).unwrap();
    assert_eq!(world.status(ada.account.id).1, 9);
    assert_eq!(told(world.send(&world.mfa_token(), &backup(0))), WRONG);
    world.send(&world.mfa_token(), &backup(9)).unwrap();
    let distinct: std::collections::HashSet<_> =
        setup.backup_codes.iter().map(|code| code.reveal().to_owned()).collect();
    assert_eq!(distinct.len(), 10);

    let accounts = &world.cases.accounts;
    let renew = |password, code: &FactorCode| {
        now(accounts.renew_backup_codes(ada.account.id, (password, KNOWN), code))
    };
    assert!(matches!(
        renew("another river at dawn", &world.code(&setup)),
        Err(Error::Forbidden(_))
    ));
    assert_eq!(told(renew(PASSWORD, &wrong())), REFUSED);
    assert_eq!(world.status(ada.account.id).1, 8);
    let renewed = renew(PASSWORD, &world.code(&setup)).unwrap();
    assert_eq!((renewed.len(), world.status(ada.account.id).1), (10, 10));
    assert_eq!(
        told(world.send(&world.mfa_token(), &backup(1))),
        WRONG,
        "the old ones are good no more"
    );
    world.send(&world.mfa_token(), &FactorCode::parse(renewed[1].reveal()).unwrap()).unwrap();
}

#[test]
fn an_active_secret_is_never_overwritten() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let user = ada.account.id;
    let again = now(world.cases.accounts.set_up_factor(user));
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let enabled = world.enable(user, PASSWORD, &world.code(&setup));
    assert!(matches!(enabled, Err(Error::Conflict(_))), "{enabled:?}");
    world.send(&world.mfa_token(), &world.code(&setup)).unwrap();
}

#[test]
fn a_set_up_waits_a_quarter_of_an_hour_and_the_last_one_counts() {
    let world = World::new();
    let user = world.sign_up(EMAIL).account.id;
    let not_set_up = "forbidden: set two-factor sign-in up first, anew after 15 minutes";
    assert_eq!(told(world.enable(user, PASSWORD, &wrong())), not_set_up);
    let (first, second) = (world.set_up(user), world.set_up(user));
    assert_ne!(first.secret.reveal(), second.secret.reveal());
    assert_eq!(told(world.enable(user, PASSWORD, &world.code(&first))), REFUSED);
    world.clock.advance(Duration::from_mins(15));
    assert_eq!(told(world.enable(user, PASSWORD, &world.code(&second))), not_set_up);
    let third = world.set_up(user);
    world.clock.advance(Duration::from_mins(15) - MICROSECOND);
    world.enable(user, PASSWORD, &world.code(&third)).unwrap();
}

#[test]
fn switching_off_needs_password_and_code() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let user = ada.account.id;
    let disable = |password: &str, code: &FactorCode| {
        now(world.cases.accounts.disable_factor(user, (password, KNOWN), code))
    };
    let token = world.mfa_token();
    let code = world.code(&setup);
    assert!(matches!(disable("another river at dawn", &code), Err(Error::Forbidden(_))));
    assert_eq!(told(disable(PASSWORD, &wrong())), REFUSED);
    assert_eq!(world.status(user), (true, 10, false));
    disable(PASSWORD, &code).unwrap();
    assert_eq!(world.status(user), (false, 0, false));
    assert_eq!(told(world.send(&token, &world.code(&setup))), NOT_OPEN);
    assert!(matches!(world.begin(PASSWORD), Ok(SignIn::Complete(_))));
    assert_eq!(told(disable(PASSWORD, &code)), "forbidden: two-factor sign-in is off");
    // A new one has another secret.
    assert_ne!(world.set_up(user).secret.reveal(), setup.secret.reveal());
}

#[test]
fn a_code_can_be_tried_and_is_used_up() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let code = world.code(&setup);
    let tried = || now(world.cases.accounts.try_factor(ada.account.id, &code));
    tried().unwrap();
    assert_eq!(told(tried()), REFUSED);
    assert_eq!(told(world.send(&world.mfa_token(), &code)), WRONG);
}

#[test]
fn an_operator_switches_it_off_and_a_promotion_takes_it_away() {
    let world = World::new();
    let (ada, _) = world.with_factor();
    let accounts = &world.cases.accounts;
    assert!(now(accounts.remove_factor(" Ada@Example.com")).unwrap());
    assert!(!now(accounts.remove_factor(EMAIL)).unwrap());
    assert!(matches!(now(accounts.remove_factor("bob@example.com")), Err(Error::NotFound(_))));
    assert!(matches!(world.begin(PASSWORD), Ok(SignIn::Complete(_))));

    let setup = world.set_up(ada.account.id);
    world.enable(ada.account.id, PASSWORD, &world.code(&setup)).unwrap();
    now(accounts.promote(EMAIL, PASSWORD, AddressProof::Operator)).unwrap();
    assert!(
        matches!(world.begin(PASSWORD), Ok(SignIn::Complete(_))),
        "whoever registered the address is out"
    );
}

#[test]
fn secrets_are_sealed_about_their_user_and_anew_when_the_key_changed() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let bob = world.sign_up("bob@example.com").account.id;
    let bobs = world.set_up(bob);
    world.enable(bob, PASSWORD, &world.code(&bobs)).unwrap();
    let store = &world.stores.second_factors;
    let sealed = || now(store.sealed(None, 10)).unwrap();
    let outdate = || {
        for (user, sealed) in sealed() {
            let older = sealed.replacen(TODAYS_KEY, OLDER_KEY, 1);
            assert!(now(store.reseal(user, &sealed, &older)).unwrap());
        }
    };
    outdate();
    // Each code that is accepted seals anew.
    world.send(&world.mfa_token(), &world.code(&setup)).unwrap();
    let older: Vec<_> = sealed()
        .into_iter()
        .filter(|(_, text)| text.starts_with(OLDER_KEY))
        .map(|(user, _)| user)
        .collect();
    assert_eq!(older, [bob]);
    outdate();
    assert_eq!(now(world.cases.accounts.reseal_factors()).unwrap(), 2);
    assert_eq!(now(world.cases.accounts.reseal_factors()).unwrap(), 0);
    assert!(sealed().iter().all(|(_, text)| text.starts_with(TODAYS_KEY)));
    world.clock.advance(STEP);
    world.send(&world.mfa_token(), &world.code(&setup)).unwrap();

    // Another user's secret, planted in the row, opens nothing.
    let (mine, theirs) = (&sealed()[0], &sealed()[1]);
    assert_eq!((mine.0, theirs.0), (ada.account.id, bob));
    assert!(now(store.reseal(mine.0, &mine.1, &theirs.1)).unwrap());
    assert!(matches!(world.send(&world.mfa_token(), &world.code(&bobs)), Err(Error::Internal(_))));
}

#[test]
fn wrong_codes_are_told_to_the_audit_log() {
    let world = World::new();
    let (ada, setup) = world.with_factor();
    let user = ada.account.id;
    let token = world.mfa_token();
    for _ in 0..2 {
        world.send(&token, &wrong()).unwrap_err();
    }
    world.send(&token, &world.code(&setup)).unwrap();
    now(world.cases.accounts.try_factor(user, &wrong())).unwrap_err();
    let told = |action| {
        let lines = world.lines(action);
        let lines = lines.into_iter().filter(|line| line.reason.as_deref() == Some("wrong_code"));
        lines.map(|line| (line.subject, line.count)).collect::<Vec<_>>()
    };
    now(world.cases.denials.flush()).unwrap();
    assert_eq!(told(Action::SignIn), [(Some(user.into()), 2)]);
    assert_eq!(told(Action::CodeProved), [(Some(user.into()), 1)]);
}
