//! Another password for who has forgotten the old one.

use std::{sync::atomic::Ordering, time::Duration};

use alpine_domain::{
    Clock as _, Error,
    account::{NewPassword, RESET_TTL, digest},
    jobs::{Claim, ClaimedJob, Job, JobCounts, JobState, Lane, Lease, RunJob as _},
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, PASSWORD, START, World, now, told};

const EMAIL: &str = "ada@example.com";
const OTHER: &str = "a loud river at noon";

struct Zeros;

impl alpine_domain::ports::secrets::Randomness for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

impl World {
    pub(crate) fn forget(&self, email: &str) {
        now(self.cases.recovery.request(email)).unwrap();
    }

    pub(crate) fn claim(&self) -> Vec<ClaimedJob> {
        let at = self.clock.now();
        let until = at.later(Duration::from_mins(1));
        let lease = Lease::generate(&Zeros);
        let claim = |lane| Claim { lane, now: at, until, lease, limit: 10 };
        let held = |lane| now(self.stores.jobs.claim(claim(lane))).unwrap();
        Lane::ALL.map(held).concat()
    }

    /// Does what is due, once.
    pub(crate) fn work(&self) {
        for held in self.claim() {
            now(self.cases.jobs.run(&held.job)).unwrap();
            assert!(now(self.stores.jobs.finish(&held)).unwrap());
        }
    }

    /// The tokens of all mails, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let mails = self.mails.sent.lock().unwrap();
        let token = |text: &str| text.split_once("?token=").unwrap().1[..64].to_owned();
        mails.iter().map(|mail| token(mail.text())).collect()
    }

    pub(crate) fn token(&self, email: &str) -> String {
        self.forget(email);
        self.work();
        self.tokens().pop().unwrap()
    }

    pub(crate) fn reset(&self, token: &str, password: &str) -> alpine_domain::Result<()> {
        now(self.cases.recovery.reset(token, NewPassword::parse(password).unwrap()))
    }

    pub(crate) fn signs_in(&self, password: &str) -> bool {
        let accounts = &self.cases.accounts;
        now(accounts.sign_in(None, HashPriority::Known, EMAIL, password)).is_ok()
    }
}

const REFUSED: &str = "invalid input: token: is not good, or not any more; ask for another mail";

#[test]
fn a_mailed_token_sets_another_password_once_and_ends_every_session() {
    let world = World::new();
    let ada = world.sign_up(EMAIL);
    let token = world.token(" Ada@Example.com ");
    let is_address = "invalid input: password: must not be the e-mail address";
    assert_eq!(told(world.reset(&token, EMAIL)), is_address);
    assert!(world.signs_in(PASSWORD), "nothing has changed");
    world.reset(&token, OTHER).unwrap();
    assert_eq!([world.signs_in(PASSWORD), world.signs_in(OTHER)], [false, true]);
    assert!(!world.is_let_in(&ada.access_token));
    let refreshed = now(world.cases.accounts.refresh(None, ada.refresh_token.reveal()));
    assert!(refreshed.is_err());
    assert_eq!(told(world.reset(&token, "a third river at night")), REFUSED);
    assert!(world.signs_in(OTHER));
}

#[test]
fn a_token_lives_for_an_hour() {
    let world = World::new();
    world.sign_up(EMAIL);
    let token = world.token(EMAIL);
    world.at(RESET_TTL - MICROSECOND);
    world.reset(&token, OTHER).unwrap();
    let world = World::new();
    world.sign_up(EMAIL);
    let token = world.token(EMAIL);
    world.at(RESET_TTL);
    assert_eq!(told(world.reset(&token, OTHER)), REFUSED);
    assert!(world.signs_in(PASSWORD));
}

#[test]
fn a_newer_token_replaces_the_older_and_each_account_has_its_own() {
    let world = World::new();
    world.sign_up(EMAIL);
    world.sign_up("bob@example.com");
    let (first, second) = (world.token(EMAIL), world.token(EMAIL));
    let bobs = world.token("bob@example.com");
    assert_eq!(told(world.reset(&first, OTHER)), REFUSED);
    world.reset(&bobs, OTHER).unwrap();
    assert!(world.signs_in(PASSWORD));
    world.reset(&second, OTHER).unwrap();
    assert!(world.signs_in(OTHER));
    for unknown in ["", "0", &digest(&second)] {
        assert_eq!(told(world.reset(unknown, OTHER)), REFUSED, "{unknown}");
    }
}

#[test]
fn the_mail_is_in_both_forms_and_leads_to_the_website() {
    let world = World::new();
    world.sign_up("o'brien@example.com");
    let token = world.token("o'brien@example.com");
    let mail = world.mails.sent.lock().unwrap()[0].clone();
    assert_eq!((mail.to(), mail.subject()), ("o'brien@example.com", "Another password for Alpine"));
    let link = format!("https://www.example.com/reset-password?token={token}");
    assert!(mail.text().contains(&format!("\n{link}\n")), "{}", mail.text());
    assert!(mail.text().contains("the account o'brien@example.com."), "{}", mail.text());
    assert!(mail.html().contains(&format!("<a href=\"{link}\">{link}</a>")), "{}", mail.html());
    assert!(mail.html().contains("the account o&#39;brien@example.com."), "{}", mail.html());
    assert_eq!(token.len(), 64);
}

/// The same job for everybody; who there is shows only when it is done.
#[test]
fn asking_does_the_same_for_known_and_unknown_addresses() {
    let world = World::new();
    let ada = world.sign_up(EMAIL);
    let disabled = world.sign_up("eve@example.com");
    world.memory.set_active(disabled.account.id, false);
    for email in [EMAIL, "nobody@example.com", "eve@example.com"] {
        world.forget(email);
    }
    let pending = now(world.stores.jobs.list(JobState::Pending, 10, 0)).unwrap();
    assert_eq!(pending.len(), 3);
    assert!(pending.iter().all(|job| job.kind == "reset_requested" && job.due_at == START));
    // Once for each address, however it is written.
    for email in ["ADA@example.com", " nobody@example.com"] {
        world.forget(email);
    }
    assert_eq!(now(world.stores.jobs.counts()).unwrap(), JobCounts { pending: 3, failed: 0 });
    world.work();
    let sent: Vec<_> =
        world.mails.sent.lock().unwrap().iter().map(|mail| mail.to().to_owned()).collect();
    assert_eq!(sent, [ada.account.email.as_str()]);
    for refused in ["", "ada", "a@b", &"x".repeat(2_000)] {
        assert!(matches!(now(world.cases.recovery.request(refused)), Err(Error::Invalid(_))));
    }
    assert_eq!(now(world.stores.jobs.counts()).unwrap(), JobCounts { pending: 0, failed: 0 });
}

/// What was proved before does not count after the account got another password or address.
#[test]
fn a_token_ends_with_the_address_and_the_password_that_it_was_made_for() {
    let world = World::new();
    let ada = world.sign_up(EMAIL);
    let accounts = &world.cases.accounts;
    let token = world.token(EMAIL);
    let proof = Some((PASSWORD, HashPriority::Known));
    let email = |text: &str| Some(text.parse().unwrap());
    // The same address is no other one.
    now(accounts.update_profile(ada.account.id, None, email(EMAIL), proof)).unwrap();
    now(accounts.update_profile(ada.account.id, None, email("new@example.com"), proof)).unwrap();
    assert_eq!(told(world.reset(&token, OTHER)), REFUSED);

    let token = world.token("new@example.com");
    let address = accounts.address_digest("192.0.2.1").unwrap();
    let (old, new) = ((PASSWORD, HashPriority::Known), NewPassword::parse(OTHER).unwrap());
    now(accounts.change_password(ada.account.id, &address, old, &new)).unwrap();
    assert_eq!(told(world.reset(&token, PASSWORD)), REFUSED);

    let token = world.token("new@example.com");
    world.memory.set_verified(ada.account.id, true);
    let proof = alpine_domain::account::AddressProof::Verified;
    now(accounts.promote("new@example.com", "an operator's own words", proof)).unwrap();
    assert_eq!(told(world.reset(&token, OTHER)), REFUSED);

    let token = world.token("new@example.com");
    world.memory.set_active(ada.account.id, false);
    assert_eq!(told(world.reset(&token, OTHER)), REFUSED);
}

#[test]
fn while_the_mail_server_is_away_the_job_is_tried_again_with_another_token() {
    let world = World::new();
    world.sign_up(EMAIL);
    world.mails.is_away.store(true, Ordering::SeqCst);
    let job = Job::ResetRequested { email: EMAIL.to_owned() };
    let failed = now(world.cases.jobs.run(&job));
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    world.mails.is_away.store(false, Ordering::SeqCst);
    now(world.cases.jobs.run(&job)).unwrap();
    now(world.cases.jobs.run(&job)).unwrap();
    let tokens = world.tokens();
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(told(world.reset(&tokens[0], OTHER)), REFUSED);
    world.reset(&tokens[1], OTHER).unwrap();
}
