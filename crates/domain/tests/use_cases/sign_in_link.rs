//! A link by mail for who cannot sign in.

use std::time::Duration;

use alpine_domain::{
    Result,
    account::{NewPassword, SIGN_IN_LINK_TTL, SignIn, SignOut, SignedIn},
    jobs::JobState,
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, PASSWORD, START, World, now, told};

const EMAIL: &str = "o'hara@example.com";
const OTHER: &str = "a loud river at noon";
const REFUSED: &str = "invalid input: token: is not good, or not any more; ask for another mail";

impl World {
    /// Asks for a link, and has the token of the mail.
    pub(crate) fn link(&self, email: &str) -> String {
        now(self.cases.links.request(email)).unwrap();
        self.work();
        self.newest_token(email)
    }

    pub(crate) fn redeem(&self, token: &str) -> Result<SignedIn> {
        let accounts = &self.cases.accounts;
        let place = accounts.address_digest("203.0.113.7").unwrap();
        match now(accounts.begin_sign_in_by_link(&place, token))? {
            SignIn::Complete(signed_in) => Ok(*signed_in),
            SignIn::NeedsCode(needed) => panic!("{needed:?}"),
        }
    }
}

#[test]
fn a_link_signs_in_once_and_makes_the_place_known() {
    let world = World::new();
    let owner = world.sign_up(EMAIL);
    let token = world.link(" O'Hara@Example.com ");
    let mail = world.mails.sent.lock().unwrap()[0].clone();
    assert_eq!((mail.to(), mail.subject()), (EMAIL, "Sign in to Alpine"));
    let link = format!("https://www.example.com/sign-in-link?token={token}");
    assert!(mail.text().contains(&format!("\n{link}\n")), "{}", mail.text());
    assert!(mail.html().contains(&format!("<a href=\"{link}\">{link}</a>")), "{}", mail.html());
    let accounts = &world.cases.accounts;
    let place = accounts.address_digest("203.0.113.7").unwrap();
    assert_eq!(now(accounts.knows(&place, EMAIL)).unwrap(), HashPriority::Stranger);
    let signed_in = world.redeem(&token).unwrap();
    assert_eq!(signed_in.account.id, owner.account.id);
    assert!(signed_in.account.is_verified, "the mail was read");
    assert!(world.is_let_in(&signed_in.access_token));
    assert_eq!(now(accounts.knows(&place, EMAIL)).unwrap(), HashPriority::Known);
    for refused in [token.as_str(), "", "0"] {
        assert_eq!(told(world.redeem(refused)), REFUSED);
    }
}

#[test]
fn a_link_lives_for_fifteen_minutes() {
    assert_eq!(SIGN_IN_LINK_TTL, Duration::from_mins(15));
    for (span, is_good) in [
        (SIGN_IN_LINK_TTL - MICROSECOND, true),
        (SIGN_IN_LINK_TTL, false),
        (SIGN_IN_LINK_TTL + MICROSECOND, false),
    ] {
        let world = World::new();
        world.sign_up(EMAIL);
        let token = world.link(EMAIL);
        world.at(span);
        assert_eq!(world.redeem(&token).is_ok(), is_good, "{span:?}");
    }
}

#[test]
fn a_link_ends_by_what_its_owner_or_an_operator_does() {
    let ends: [fn(&World, &SignedIn); 5] = [
        |world, _| {
            world.link(EMAIL);
        },
        |world, owner| {
            let accounts = &world.cases.accounts;
            now(accounts.sign_out_everywhere(owner.account.id, SignOut::Sessions)).unwrap();
        },
        |world, _| now(world.cases.accounts.sign_out_everybody()).unwrap(),
        |world, owner| {
            let accounts = &world.cases.accounts;
            let home = accounts.address_digest("192.0.2.1").unwrap();
            let current = (PASSWORD, HashPriority::Known);
            let new = NewPassword::parse(OTHER).unwrap();
            now(accounts.change_password(owner.account.id, &home, current, &new)).unwrap();
        },
        |world, owner| world.memory.set_active(owner.account.id, false),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let world = World::new();
        let owner = world.sign_up(EMAIL);
        let (token, resets) = (world.link(EMAIL), world.token(EMAIL));
        end(&world, &owner);
        assert_eq!(told(world.redeem(&token)), REFUSED, "{n}");
        let is_replaced_alone = n == 0;
        assert_eq!(world.reset(&resets, OTHER).is_ok(), is_replaced_alone, "{n}");
    }
}

/// The same job for everybody; who there is shows only when it is done.
#[test]
fn asking_does_the_same_for_known_and_unknown_addresses() {
    let world = World::new();
    world.sign_up(EMAIL);
    for email in [EMAIL, "nobody@example.com"] {
        now(world.cases.links.request(email)).unwrap();
    }
    let pending = now(world.stores.jobs.list(JobState::Pending, 10, 0)).unwrap();
    let told: Vec<_> = pending.iter().map(|job| (job.kind.as_str(), job.due_at)).collect();
    assert_eq!(told, [("sign_in_link_requested", START); 2]);
    world.work();
    assert_eq!(world.mails.sent.lock().unwrap().len(), 1);
}
