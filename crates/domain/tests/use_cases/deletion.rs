//! The end of an account.

use std::{sync::atomic::Ordering, time::Duration};

use alpine_domain::{account::FullName, jobs::RunJob as _, ports::secrets::HashPriority};

use crate::support::{DAY, MICROSECOND, PASSWORD, World, now, told};

const EMAIL: &str = "ada@example.com";

impl World {
    fn name_of(&self, user: alpine_domain::account::UserId) -> FullName {
        now(self.stores.accounts.account(user)).unwrap().unwrap().full_name
    }
}

/// A clock that is a month ahead erases nothing: the others have to agree.
#[test]
fn what_is_personal_is_erased_by_the_time_that_all_clocks_agree_on() {
    let world = World::new();
    let ada = world.sign_up(EMAIL).account;
    world.work();
    now(world.cases.accounts.delete(ada.id, (PASSWORD, HashPriority::Known))).unwrap();
    world.work();
    world.at(30 * DAY - MICROSECOND);
    world.work();
    assert_eq!(world.name_of(ada.id), ada.full_name, "a microsecond before");
    world.at(30 * DAY);
    world.agreement.holds.store(false, Ordering::SeqCst);
    let held = world.claim().remove(0);
    let refused = told(now(world.cases.jobs.run(&held.job)));
    assert_eq!(refused, "the time is unavailable");
    assert_eq!(world.name_of(ada.id), ada.full_name, "while they differ");
    world.agreement.holds.store(true, Ordering::SeqCst);
    // The lease of the first try ends.
    world.at(30 * DAY + Duration::from_mins(1));
    world.work();
    assert_eq!(world.name_of(ada.id).as_str(), "");
    assert!(world.sign_in(EMAIL).is_err());
}

#[test]
fn an_account_is_deleted_by_who_knows_its_password_once() {
    let world = World::new();
    let ada = world.sign_up(EMAIL);
    let delete = |password: &str| {
        now(world.cases.accounts.delete(ada.account.id, (password, HashPriority::Known)))
    };
    assert_eq!(told(delete("another river at dusk")), "forbidden: the current password is wrong");
    assert!(world.is_let_in(&ada.access_token));
    delete(PASSWORD).unwrap();
    assert!(!world.is_let_in(&ada.access_token));
    assert!(world.sign_in(EMAIL).is_err());
    assert_eq!(told(delete(PASSWORD)), "account not found");
    // The address is free, and that account is another one.
    let again = world.sign_up(EMAIL);
    assert_ne!(again.account.id, ada.account.id);
    assert!(world.is_let_in(&again.access_token));
}
