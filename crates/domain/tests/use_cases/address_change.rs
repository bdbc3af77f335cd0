//! Another address needs the password, and both mailboxes.

use alpine_domain::{
    Result,
    account::{
        ADDRESS_CHANGE_TTL, AddressConfirmed, ConfirmAddresses, NewPassword, SignOut, SignedIn,
    },
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, PASSWORD, World, confirming, now, told};

const OLD: &str = "o'hara@example.com";
const NEW: &str = "butler@example.org";
const OTHER: &str = "a loud river at noon";
const REFUSED: &str = "invalid input: token: is not good, or not any more; ask for another mail";

/// Who is signed in, and the tokens that were mailed to the old address and to the new one.
fn asked() -> (World, SignedIn, String, String) {
    let world = World::with(confirming(ConfirmAddresses::Always));
    let owner = world.sign_up(OLD);
    let (old, new) = world.ask(&owner, NEW);
    (world, owner, old, new)
}

impl World {
    fn wish(&self, owner: &SignedIn, email: &str, password: &str) -> Result<bool> {
        let (email, proof) = (email.parse().unwrap(), Some((password, HashPriority::Known)));
        let accounts = &self.cases.accounts;
        let changed = now(accounts.update_profile(owner.account.id, None, Some(email), proof));
        changed.map(|changed| changed.waits_for_mail)
    }

    fn ask(&self, owner: &SignedIn, email: &str) -> (String, String) {
        let old = self.address(owner);
        assert!(self.wish(owner, email, PASSWORD).unwrap());
        assert_eq!(self.address(owner), old, "nothing changes at once");
        self.work();
        (self.newest_token(&old), self.newest_token(email))
    }

    fn confirm_address(&self, token: &str) -> Result<AddressConfirmed> {
        now(self.cases.accounts.confirm_address(token))
    }

    fn address(&self, owner: &SignedIn) -> String {
        let account = now(self.cases.accounts.profile(owner.account.id)).unwrap();
        account.email.as_str().to_owned()
    }
}

#[test]
fn an_address_changes_once_both_have_confirmed_it_and_both_are_told() {
    let (world, owner, old, new) = asked();
    assert_eq!(world.confirm_address(&new).unwrap(), AddressConfirmed::One);
    assert_eq!(told(world.confirm_address(&new)), REFUSED, "one mailbox is not both");
    assert_eq!(world.address(&owner), OLD);
    assert_eq!(world.confirm_address(&old).unwrap(), AddressConfirmed::Both);
    assert_eq!(world.address(&owner), NEW);
    assert!(world.is_let_in(&owner.access_token), "nobody is signed out");
    assert!(world.sign_in(NEW).is_ok() && world.sign_in(OLD).is_err());
    world.work();
    let mails = world.mails.sent.lock().unwrap().clone();
    let notes: Vec<_> = mails.iter().filter(|mail| !mail.text().contains("token=")).collect();
    assert_eq!(notes.iter().map(|mail| mail.to()).collect::<Vec<_>>(), [OLD, NEW]);
    assert!(notes.iter().all(|mail| mail.subject() == "The address of your account has changed"));
    assert!(notes[0].html().contains("the address o&#39;hara@example.com has another one now."));
    assert!(!notes[0].text().contains(NEW), "the new one is not told to who reads the old mail");
    for refused in [old.as_str(), new.as_str(), "", "0"] {
        assert_eq!(told(world.confirm_address(refused)), REFUSED);
    }
}

#[test]
fn a_change_waits_for_a_day() {
    let (world, owner, old, new) = asked();
    world.at(ADDRESS_CHANGE_TTL - MICROSECOND);
    world.confirm_address(&old).unwrap();
    world.confirm_address(&new).unwrap();
    assert_eq!(world.address(&owner), NEW);
    for late in [ADDRESS_CHANGE_TTL, ADDRESS_CHANGE_TTL + MICROSECOND] {
        let (world, owner, old, new) = asked();
        world.confirm_address(&old).unwrap();
        world.at(late);
        assert_eq!(told(world.confirm_address(&new)), REFUSED);
        assert_eq!(world.address(&owner), OLD);
    }
}

#[test]
fn a_change_needs_the_password_and_a_newer_one_replaces_it() {
    let (world, owner, old, new) = asked();
    assert_eq!(told(world.wish(&owner, NEW, OTHER)), "forbidden: the current password is wrong");
    world.confirm_address(&old).unwrap();
    let (newer_old, newer) = world.ask(&owner, "melanie@example.org");
    for replaced in [&old, &new] {
        assert_eq!(told(world.confirm_address(replaced)), REFUSED);
    }
    world.confirm_address(&newer).unwrap();
    assert_eq!(world.address(&owner), OLD, "the first confirmation was of another change");
    world.confirm_address(&newer_old).unwrap();
    assert_eq!(world.address(&owner), "melanie@example.org");
}

#[test]
fn another_password_or_signing_out_everywhere_ends_a_change() {
    let ends: [fn(&World, &SignedIn); 3] = [
        |world, owner| {
            let accounts = &world.cases.accounts;
            now(accounts.sign_out_everywhere(owner.account.id, SignOut::Sessions)).unwrap();
        },
        |world, _| now(world.cases.accounts.sign_out_everybody()).unwrap(),
        |world, owner| {
            let accounts = &world.cases.accounts;
            let home = accounts.address_digest("192.0.2.1").unwrap();
            let (current, new) = ((PASSWORD, HashPriority::Known), NewPassword::parse(OTHER));
            let new = new.unwrap();
            now(accounts.change_password(owner.account.id, &home, current, &new)).unwrap();
        },
    ];
    for end in ends {
        let (world, owner, old, new) = asked();
        world.confirm_address(&new).unwrap();
        end(&world, &owner);
        assert_eq!(told(world.confirm_address(&old)), REFUSED);
        assert_eq!(world.address(&owner), OLD);
    }
}

/// What was mailed to the old address lets nobody in that reads it later.
#[test]
fn what_was_mailed_to_the_old_address_is_good_no_more() {
    let (world, _, old, new) = asked();
    let (resets, signs_in) = (world.token(OLD), world.link(OLD));
    world.confirm_address(&new).unwrap();
    world.confirm_address(&old).unwrap();
    assert_eq!(told(world.reset(&resets, OTHER)), REFUSED);
    assert_eq!(told(world.redeem(&signs_in)), REFUSED);
    assert!(world.sign_in(NEW).is_ok());
}

#[test]
fn a_taken_address_gets_no_mail_and_stays_its_owners() {
    let world = World::with(confirming(ConfirmAddresses::Always));
    let owner = world.sign_up(OLD);
    world.sign_up(NEW);
    assert!(world.wish(&owner, NEW, PASSWORD).unwrap(), "answered as a free one");
    world.work();
    let sent: Vec<_> =
        world.mails.sent.lock().unwrap().iter().map(|mail| mail.to().to_owned()).collect();
    assert_eq!(sent, [OLD]);
    assert_eq!(world.address(&owner), OLD);
}
