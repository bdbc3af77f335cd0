//! Confirming that the owner of an account reads what is sent to its address.

use alpine_domain::{
    account::{AddressDigest, Registration, SignedIn, VERIFY_TTL},
    jobs::{JobCounts, JobState},
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, PASSWORD, START, World, now, told};

const EMAIL: &str = "o'hara@example.com";
const REFUSED: &str = "invalid input: token: is not good, or not any more; ask for another mail";

impl World {
    fn home(&self) -> AddressDigest {
        self.cases.accounts.address_digest("192.0.2.1").unwrap()
    }

    /// As a client does.
    fn sign_up_here(&self, email: &str) -> SignedIn {
        let registration = Registration::parse(email, PASSWORD, "Scarlett").unwrap();
        now(self.cases.accounts.sign_up_from(&self.home(), registration)).unwrap()
    }

    fn is_verified(&self, who: &SignedIn) -> bool {
        now(self.cases.accounts.profile(who.account.id)).unwrap().is_verified
    }

    fn confirm(&self, token: &str) -> alpine_domain::Result<()> {
        now(self.cases.verification.confirm(token))
    }
}

#[test]
fn whoever_signs_up_is_mailed_a_token_that_confirms_the_address_once() {
    let world = World::new();
    let owner = world.sign_up_here(EMAIL);
    let pending = now(world.stores.jobs.list(JobState::Pending, 10, 0)).unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].kind.as_str(), pending[0].due_at), ("verification_requested", START));
    world.work();
    let mail = world.mails.sent.lock().unwrap()[0].clone();
    assert_eq!((mail.to(), mail.subject()), (EMAIL, "Confirm your address for Alpine"));
    let token = world.tokens().remove(0);
    let link = format!("https://www.example.com/verify-email?token={token}");
    assert!(mail.text().contains(&format!("\n{link}\n")), "{}", mail.text());
    assert!(mail.html().contains(&format!("<a href=\"{link}\">{link}</a>")), "{}", mail.html());
    assert!(mail.html().contains("the account o&#39;hara@example.com."), "{}", mail.html());
    assert!(!world.is_verified(&owner));
    world.confirm(&token).unwrap();
    assert!(world.is_verified(&owner));
    assert!(world.is_let_in(&owner.access_token), "nobody is signed out");
    for refused in [token.as_str(), "", "0"] {
        assert_eq!(told(world.confirm(refused)), REFUSED);
    }
    // Who is confirmed gets no other mail.
    now(world.cases.verification.request(owner.account.id)).unwrap();
    world.work();
    assert_eq!(world.mails.sent.lock().unwrap().len(), 1);
}

#[test]
fn a_token_lives_for_a_day_and_until_a_newer_one_is_sent() {
    let world = World::new();
    let owner = world.sign_up_here(EMAIL);
    world.work();
    for _ in 0..2 {
        now(world.cases.verification.request(owner.account.id)).unwrap();
    }
    assert_eq!(now(world.stores.jobs.counts()).unwrap(), JobCounts { pending: 1, failed: 0 });
    world.work();
    let tokens = world.tokens();
    assert_eq!(told(world.confirm(&tokens[0])), REFUSED);
    world.at(VERIFY_TTL);
    assert_eq!(told(world.confirm(&tokens[1])), REFUSED);
    assert!(!world.is_verified(&owner));
    let world = World::new();
    let owner = world.sign_up_here(EMAIL);
    world.work();
    world.at(VERIFY_TTL - MICROSECOND);
    world.confirm(&world.tokens()[0]).unwrap();
    assert!(world.is_verified(&owner));
}

#[test]
fn a_reset_by_mail_confirms_the_address_as_well_and_no_token_stands_for_another() {
    let world = World::new();
    let owner = world.sign_up_here(EMAIL);
    world.work();
    let verifies = world.tokens().remove(0);
    let resets = world.token(EMAIL);
    assert_eq!(told(world.confirm(&resets)), REFUSED);
    assert_eq!(told(world.reset(&verifies, "a loud river at noon")), REFUSED);
    assert!(!world.is_verified(&owner));
    world.reset(&resets, "a loud river at noon").unwrap();
    assert!(world.is_verified(&owner));
    assert_eq!(told(world.confirm(&verifies)), REFUSED);
}

/// Commands and operators know whom they make an account for.
#[test]
fn an_account_that_an_operator_makes_is_asked_nothing() {
    let world = World::new();
    world.sign_up(EMAIL);
    assert_eq!(now(world.stores.jobs.counts()).unwrap(), JobCounts { pending: 0, failed: 0 });
    let known = HashPriority::Known;
    now(world.cases.accounts.sign_in(None, known, EMAIL, PASSWORD)).unwrap();
}

#[test]
fn a_disabled_account_gets_nothing() {
    let world = World::new();
    let owner = world.sign_up_here(EMAIL);
    world.memory.set_active(owner.account.id, false);
    world.work();
    assert!(world.mails.sent.lock().unwrap().is_empty());
}
