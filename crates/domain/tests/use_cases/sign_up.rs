//! Signing up where the answer does not tell whether the address has an account.

use alpine_domain::{
    Result,
    account::{ConfirmAddresses, Registration, SIGN_UP_TTL, SignedIn},
    jobs::JobState,
};

use crate::support::{MICROSECOND, PASSWORD, START, World, confirming, now, told};

const EMAIL: &str = "o'hara@example.com";
const STRANGERS: &str = "eight long words of nobody";
const REFUSED: &str = "invalid input: token: is not good, or not any more; ask for another mail";
const WRONG: &str = "invalid input: password: is not the one that was chosen at this sign-up";

impl World {
    fn request_sign_up(&self, email: &str, password: &str) {
        let registration = Registration::parse(email, password, "Scarlett").unwrap();
        now(self.cases.accounts.request_sign_up(registration)).unwrap();
    }

    /// Signs up, and has the token of the mail.
    fn sign_up_token(&self, email: &str, password: &str) -> String {
        self.request_sign_up(email, password);
        self.work();
        self.newest_token(email)
    }

    fn confirm_sign_up(&self, token: &str, password: &str) -> Result<SignedIn> {
        let accounts = &self.cases.accounts;
        let home = accounts.address_digest("192.0.2.1").unwrap();
        now(accounts.confirm_sign_up(&home, token, password))
    }

    fn has_account(&self, email: &str) -> bool {
        now(self.stores.accounts.credentials(&email.parse().unwrap())).unwrap().is_some()
    }
}

#[test]
fn a_sign_up_makes_a_verified_account_once_it_is_confirmed_with_its_password() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    assert!(world.cases.accounts.confirms_addresses());
    let token = world.sign_up_token(EMAIL, PASSWORD);
    assert!(!world.has_account(EMAIL), "nothing is made before");
    // A wrong password uses up nothing.
    for wrong in [STRANGERS, "", &"x".repeat(10_000)] {
        assert_eq!(told(world.confirm_sign_up(&token, wrong)), WRONG);
    }
    let made = world.confirm_sign_up(&token, PASSWORD).unwrap();
    assert_eq!((made.account.email.as_str(), made.account.is_verified), (EMAIL, true));
    assert!(world.is_let_in(&made.access_token));
    assert!(world.sign_in(EMAIL).is_ok());
    for refused in [token.as_str(), "", "0"] {
        assert_eq!(told(world.confirm_sign_up(refused, PASSWORD)), REFUSED);
    }
}

#[test]
fn a_sign_up_waits_for_a_day() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    let token = world.sign_up_token(EMAIL, PASSWORD);
    world.at(SIGN_UP_TTL - MICROSECOND);
    assert!(world.confirm_sign_up(&token, PASSWORD).is_ok());
    for late in [SIGN_UP_TTL, SIGN_UP_TTL + MICROSECOND] {
        let world = World::with(confirming(ConfirmAddresses::Always));
        let token = world.sign_up_token(EMAIL, PASSWORD);
        world.at(late);
        assert_eq!(told(world.confirm_sign_up(&token, PASSWORD)), REFUSED);
        assert!(!world.has_account(EMAIL));
    }
}

/// The stranger's mail is the newer one, and the owner follows it.
#[test]
fn a_strangers_sign_up_with_ones_address_gives_the_stranger_nothing() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    let owners = world.sign_up_token(EMAIL, PASSWORD);
    let strangers = world.sign_up_token(EMAIL, STRANGERS);
    assert_eq!(told(world.confirm_sign_up(&strangers, PASSWORD)), WRONG);
    assert!(!world.has_account(EMAIL));
    world.confirm_sign_up(&owners, PASSWORD).unwrap();
    assert_eq!(told(world.confirm_sign_up(&strangers, STRANGERS)), REFUSED, "it is taken");
    assert!(world.sign_in(EMAIL).is_ok());
}

/// The same job for both; who has the address shows when it is done.
#[test]
fn a_taken_address_is_handled_as_a_free_one_and_its_owner_is_told() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    world.sign_up(EMAIL);
    for email in [EMAIL, "free@example.com"] {
        world.request_sign_up(email, STRANGERS);
    }
    let pending = now(world.stores.jobs.list(JobState::Pending, 10, 0)).unwrap();
    let told: Vec<_> = pending.iter().map(|job| (job.kind.as_str(), job.due_at)).collect();
    assert_eq!(told, [("sign_up_requested", START); 2]);
    world.work();
    let mails = world.mails.sent.lock().unwrap().clone();
    let of = |to: &str| mails.iter().find(|mail| mail.to() == to).unwrap();
    let (owners, free) = (of(EMAIL), of("free@example.com"));
    assert_eq!(owners.subject(), "You have an account at Alpine");
    assert!(!owners.text().contains("token") && !owners.html().contains("token"));
    assert!(owners.html().contains("the address o&#39;hara@example.com, which has"));
    assert_eq!(free.subject(), "Finish signing up to Alpine");
    assert!(free.text().contains("\nhttps://www.example.com/confirm-signup?token="));
    assert!(free.html().contains("<a href=\"https://www.example.com/confirm-signup?token="));
    assert!(world.sign_in(EMAIL).is_ok(), "nothing has changed");
}

#[test]
fn an_address_that_was_taken_meanwhile_is_answered_as_an_unknown_token() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    let token = world.sign_up_token(EMAIL, STRANGERS);
    world.sign_up(EMAIL);
    assert_eq!(told(world.confirm_sign_up(&token, STRANGERS)), REFUSED);
    assert!(world.sign_in(EMAIL).is_ok());
}

#[test]
fn what_is_not_decided_or_denied_confirms_nothing() {
    for settings in [ConfirmAddresses::Auto, ConfirmAddresses::Never] {
        assert!(!World::with(confirming(settings)).cases.accounts.confirms_addresses());
    }
}
