//! What users are told of.

use alpine_domain::{
    Error,
    account::{AddressDigest, NewPassword, SignedIn, Viewer},
    notification::{
        NotificationId, NotificationKind, NotificationPage, NotificationRequest, Notifications,
        Recipient,
    },
    ports::secrets::HashPriority,
};

use crate::support::{MICROSECOND, PASSWORD, World, now, told};

const KNOWN: HashPriority = HashPriority::Known;
const ALL: NotificationRequest =
    NotificationRequest { unread_only: false, limit: 20, offset: 0, after: None };

fn recipient(who: &SignedIn) -> Recipient {
    Recipient { user: who.account.id, viewer: Viewer::Subscriber(who.account.tier) }
}

fn page(world: &World, who: &SignedIn, request: NotificationRequest) -> NotificationPage {
    now(world.cases.notifications.page(recipient(who), request)).unwrap()
}

fn kinds(world: &World, who: &SignedIn) -> Vec<NotificationKind> {
    page(world, who, ALL).items.iter().map(|told| told.kind).collect()
}

/// An account of which so many changes are told, a microsecond apart.
fn told_of(world: &World, changes: u32) -> SignedIn {
    let ada = world.sign_up("ada@example.com");
    for n in 1..=changes {
        world.at(MICROSECOND * n);
        let (tier, role) = if n % 2 == 1 { ("pro", "user") } else { ("elite", "user") };
        let (tier, role) = (tier.parse().unwrap(), role.parse().unwrap());
        let at = alpine_domain::Clock::now(&*world.clock);
        let id = ada.account.id;
        now(world.stores.accounts.set_tier_and_role(id, tier, role, at)).unwrap();
    }
    ada
}

#[test]
fn a_sign_in_from_elsewhere_and_another_password_are_told() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let place = |name: &str| AddressDigest::from_stored(name.to_owned());
    let sign_in = |from: &AddressDigest| {
        let accounts = &world.cases.accounts;
        now(accounts.sign_in(Some(from), KNOWN, "ada@example.com", PASSWORD))
    };
    sign_in(&place("home")).unwrap();
    sign_in(&place("home")).unwrap();
    assert_eq!(kinds(&world, &ada), []);
    sign_in(&place("a hotel")).unwrap();
    assert_eq!(kinds(&world, &ada), [NotificationKind::NewSignIn]);

    let new = NewPassword::parse("another quiet river at dawn").unwrap();
    let (id, home) = (ada.account.id, place("home"));
    now(world.cases.accounts.change_password(id, &home, (PASSWORD, KNOWN), &new)).unwrap();
    // The session that goes on is opened from where another one was.
    let told = [NotificationKind::Security, NotificationKind::NewSignIn];
    assert_eq!(kinds(&world, &ada), told);
}

#[test]
fn pages_follow_each_other_by_cursor_or_offset() {
    let world = World::new();
    let ada = told_of(&world, 5);
    let whole = page(&world, &ada, ALL);
    assert_eq!((whole.items.len(), whole.total, whole.unread, whole.next), (5, 5, 5, None));
    for limit in 1..=6 {
        let (mut items, mut after) = (Vec::new(), None);
        for _ in 0..=5 {
            // A cursor wins over the offset.
            let offset = if after.is_some() { 3 } else { 0 };
            let part = page(&world, &ada, NotificationRequest { limit, after, offset, ..ALL });
            items.extend(part.items);
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(items, whole.items, "{limit}");
        for offset in 0..=6 {
            let part = page(&world, &ada, NotificationRequest { limit, offset, ..ALL });
            let rest: Vec<_> = whole.items.iter().skip(offset as usize).cloned().collect();
            let shown: Vec<_> = rest.iter().take(limit as usize).cloned().collect();
            assert_eq!(part.items, shown, "{limit} {offset}");
            assert_eq!(part.next.is_some(), rest.len() > limit as usize, "{limit} {offset}");
        }
    }
}

#[test]
fn the_unread_are_counted_and_listed_by_themselves() {
    let world = World::new();
    let ada = told_of(&world, 3);
    let ids: Vec<_> = page(&world, &ada, ALL).items.iter().map(|told| told.id).collect();
    let notifications = &world.cases.notifications;
    assert_eq!(now(notifications.mark_read(recipient(&ada), &ids[1..2])).unwrap(), 1);
    let unread = page(&world, &ada, NotificationRequest { unread_only: true, ..ALL });
    let left: Vec<_> = unread.items.iter().map(|told| told.id).collect();
    assert_eq!((left, unread.total, unread.unread), (vec![ids[0], ids[2]], 2, 2));
    let all = page(&world, &ada, ALL);
    assert_eq!((all.total, all.unread), (3, 2));
    assert_eq!(now(notifications.mark_all_read(recipient(&ada))).unwrap(), 2);
    assert_eq!(page(&world, &ada, ALL).unread, 0);
}

#[test]
fn one_request_names_a_hundred_at_most() {
    let world = World::new();
    let ada = told_of(&world, 1);
    let mark = |count: usize| {
        let ids: Vec<_> = (0..count).map(|_| NotificationId::Own(1)).collect();
        now(world.cases.notifications.mark_read(recipient(&ada), &ids))
    };
    let refusal = "invalid input: notification_ids: must name 1 to 100 notifications";
    assert_eq!(told(mark(0)), refusal);
    assert_eq!(told(mark(Notifications::MOST_IDS + 1)), refusal);
    assert_eq!(page(&world, &ada, ALL).unread, 1);
    assert_eq!(mark(Notifications::MOST_IDS).unwrap(), 1);
}

#[test]
fn one_is_deleted_by_its_user_once() {
    let world = World::new();
    let ada = told_of(&world, 1);
    let eve = world.sign_up("eve@example.com");
    let id = page(&world, &ada, ALL).items[0].id;
    let delete = |who: &SignedIn| now(world.cases.notifications.delete(recipient(who), id));
    assert!(matches!(delete(&eve), Err(Error::NotFound("notification"))));
    delete(&ada).unwrap();
    assert!(matches!(delete(&ada), Err(Error::NotFound("notification"))));
    assert_eq!(page(&world, &ada, ALL).items, []);
}
