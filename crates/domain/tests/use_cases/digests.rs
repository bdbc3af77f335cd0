//! Mails of what is unread.

use std::time::Duration;

use alpine_domain::{
    Clock as _,
    account::{SignedIn, Tier},
    notification::{DigestEvery, Digests},
};

use crate::support::{Offer, Report, World, now};

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

/// Somebody whose address is confirmed, and who gets digests.
fn subscriber(world: &World, every: DigestEvery) -> SignedIn {
    let ada = world.sign_up("ada@example.com");
    world.memory.set_verified(ada.account.id, true);
    now(world.cases.digests.set(ada.account.id, Some(every))).unwrap();
    ada
}

/// Tells the user of so many changes, a minute from now on.
fn tell(world: &World, who: &SignedIn, changes: usize) {
    for _ in 0..changes {
        world.clock.advance(MINUTE);
        let (id, at) = (who.account.id, world.clock.now());
        let is_pro = world.state(id).tier == Tier::Pro;
        let tier = if is_pro { Tier::Elite } else { Tier::Pro };
        now(world.stores.accounts.set_tier_and_role(id, tier, who.account.role, at)).unwrap();
    }
}

/// The subjects and texts of the mails that are sent once a span has passed.
fn mails_after(world: &World, span: Duration) -> Vec<(String, String)> {
    world.clock.advance(span);
    now(world.cases.digests.add_due()).unwrap();
    world.mails.sent.lock().unwrap().clear();
    world.work();
    let sent = world.mails.sent.lock().unwrap();
    sent.iter().map(|mail| (mail.subject().to_owned(), mail.text().to_owned())).collect()
}

#[test]
fn what_is_new_and_unread_is_mailed_once_a_day() {
    let world = World::new();
    let ada = subscriber(&world, DigestEvery::Day);
    tell(&world, &ada, 1);
    assert_eq!(mails_after(&world, DAY - 2 * MINUTE), []);
    let mails = mails_after(&world, MINUTE);
    assert_eq!(mails.len(), 1);
    let (subject, text) = &mails[0];
    assert_eq!(subject, "1 new notification");
    let told = now(world.cases.notifications.page(
        alpine_domain::notification::Recipient {
            user: ada.account.id,
            viewer: alpine_domain::account::Viewer::Subscriber(Tier::Pro),
        },
        alpine_domain::notification::NotificationRequest::whole(),
    ));
    let told = told.unwrap().items.remove(0);
    assert!(text.contains(&format!("{}: {} (", told.title, told.message)), "{text}");
    assert!(text.contains("https://www.example.com/notifications"), "{text}");
    // What was mailed is not mailed again, and nothing new is no mail.
    assert_eq!(mails_after(&world, DAY), []);
    tell(&world, &ada, 2);
    assert_eq!(mails_after(&world, DAY)[0].0, "2 new notifications");
}

/// What is hidden at one mail, and known at the next, is in the next.
#[test]
fn a_late_reader_misses_nothing() {
    let world = World::new();
    subscriber(&world, DigestEvery::Day);
    let argo = world.producer("argo", false);
    world.clock.advance(DAY - 5 * MINUTE);
    let timestamp = world.clock.now();
    world.submit(&argo, &Offer { timestamp, ..Offer::named("SIG-1") }).unwrap();
    assert_eq!(mails_after(&world, 5 * MINUTE), []);
    assert_eq!(mails_after(&world, DAY)[0].0, "1 new notification");
    assert_eq!(mails_after(&world, DAY), []);
    // How it ended is hidden as long.
    world.clock.advance(DAY - 5 * MINUTE);
    let exited_at = world.clock.now();
    world.report(&argo, &Report { exited_at, ..Report::of("SIG-1", "101.0") }).unwrap();
    assert_eq!(mails_after(&world, 5 * MINUTE), []);
    let mails = mails_after(&world, DAY);
    assert_eq!(mails[0].0, "1 new notification");
    assert!(mails[0].1.contains("Signal closed: BUY AAPL"), "{}", mails[0].1);
    assert_eq!(mails_after(&world, DAY), []);
}

/// What concerns the account is hidden from nobody.
#[test]
fn a_late_reader_is_told_of_the_own_account_at_once() {
    let world = World::new();
    let ada = subscriber(&world, DigestEvery::Day);
    world.clock.advance(DAY - 2 * MINUTE);
    for tier in [Tier::Pro, Tier::Free] {
        let (id, at) = (ada.account.id, world.clock.now());
        now(world.stores.accounts.set_tier_and_role(id, tier, ada.account.role, at)).unwrap();
    }
    assert_eq!(mails_after(&world, 2 * MINUTE)[0].0, "2 new notifications");
    assert_eq!(mails_after(&world, DAY), []);
}

/// A mail that goes out late holds what it was due for; the rest comes with the next one, once.
#[test]
fn what_is_told_after_a_mail_was_due_is_in_the_next_one() {
    let world = World::new();
    let ada = subscriber(&world, DigestEvery::Day);
    tell(&world, &ada, 1);
    world.clock.advance(DAY);
    assert_eq!(now(world.cases.digests.add_due()).unwrap(), 1);
    tell(&world, &ada, 2);
    assert_eq!(mails_after(&world, MINUTE)[0].0, "1 new notification");
    assert_eq!(mails_after(&world, DAY)[0].0, "2 new notifications");
}

#[test]
fn a_week_has_one_mail_and_what_is_read_is_in_none() {
    let world = World::new();
    let ada = subscriber(&world, DigestEvery::Week);
    tell(&world, &ada, 3);
    assert_eq!(mails_after(&world, 6 * DAY), []);
    assert_eq!(mails_after(&world, DAY)[0].0, "3 new notifications");
    tell(&world, &ada, 2);
    let recipient = alpine_domain::notification::Recipient {
        user: ada.account.id,
        viewer: alpine_domain::account::Viewer::Subscriber(Tier::Pro),
    };
    now(world.cases.notifications.mark_all_read(recipient)).unwrap();
    assert_eq!(mails_after(&world, 7 * DAY), []);
}

#[test]
fn a_mail_shows_twenty_and_says_how_many_more() {
    for (changes, more) in [(20, None), (21, Some("and 1 more.")), (25, Some("and 5 more."))] {
        let world = World::new();
        let ada = subscriber(&world, DigestEvery::Day);
        tell(&world, &ada, changes);
        let (subject, text) = mails_after(&world, DAY).remove(0);
        assert_eq!(subject, format!("{changes} new notifications"));
        assert_eq!(text.matches("Z)").count(), Digests::SHOWN, "{text}");
        assert_eq!(text.lines().find(|line| line.starts_with("and ")), more);
    }
}

#[test]
fn who_is_disabled_unconfirmed_or_wants_none_any_more_gets_none() {
    let change: [fn(&World, &SignedIn); 4] = [
        |_, _| (),
        |world, who| world.memory.set_verified(who.account.id, false),
        |world, who| world.memory.set_active(who.account.id, false),
        |world, who| now(world.cases.digests.set(who.account.id, None)).unwrap(),
    ];
    for (number, change) in change.into_iter().enumerate() {
        let world = World::new();
        let ada = subscriber(&world, DigestEvery::Day);
        tell(&world, &ada, 1);
        // The job is there already.
        world.clock.advance(DAY);
        assert_eq!(now(world.cases.digests.add_due()).unwrap(), 1);
        change(&world, &ada);
        world.mails.sent.lock().unwrap().clear();
        world.work();
        let sent = world.mails.sent.lock().unwrap().len();
        assert_eq!(sent, usize::from(number == 0), "{number}");
    }
}
