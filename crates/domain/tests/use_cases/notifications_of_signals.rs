//! What users are told of signals, which is no row of anybody.

use std::time::Duration;

use alpine_domain::{
    Clock as _, Error,
    account::{Role, SignedIn, Tier, Viewer},
    notification::{
        Notification, NotificationId, NotificationKind, NotificationPage, NotificationRequest,
        Recipient, TOLD,
    },
    signal::SignalId,
};

use crate::support::{DAY, MICROSECOND, Offer, Report, START, World, now, told as refusal};

const ALL: NotificationRequest = NotificationRequest::whole();
const LATE: Duration = Duration::from_mins(15);

fn subscriber(who: &SignedIn, tier: Tier) -> Recipient {
    Recipient { user: who.account.id, viewer: Viewer::Subscriber(tier) }
}

fn page(world: &World, to: Recipient, request: NotificationRequest) -> NotificationPage {
    now(world.cases.notifications.page(to, request)).unwrap()
}

fn told(world: &World, to: Recipient) -> Vec<Notification> {
    page(world, to, ALL).items
}

fn ids(world: &World, to: Recipient) -> Vec<NotificationId> {
    told(world, to).iter().map(|told| told.id).collect()
}

/// Submits a signal with this confidence.
fn publish(world: &World, name: &str, confidence: &'static str) -> SignalId {
    let argo = world.stores.producers.clone();
    let argo = match now(argo.list()).unwrap().pop() {
        Some(argo) => argo,
        None => world.producer("argo", false),
    };
    let timestamp = world.clock.now();
    world.submit(&argo, &Offer { confidence, timestamp, ..Offer::named(name) }).unwrap().id
}

#[test]
fn history_is_no_news() {
    let world = World::new();
    let ada = subscriber(&world.sign_up("ada@example.com"), Tier::Elite);
    let news = publish(&world, "SIG-1", "70.0");
    let argo = now(world.stores.producers.list()).unwrap().remove(0);
    for (name, age) in [("SIG-2", DAY), ("SIG-3", DAY + MICROSECOND)] {
        let timestamp = world.clock.now().earlier(age);
        world.submit(&argo, &Offer { timestamp, ..Offer::named(name) }).unwrap();
    }
    close(&world, "SIG-3", "101.0");
    let told = ids(&world, ada);
    assert_eq!((told.len(), told[1]), (2, NotificationId::Published(news)), "{told:?}");
}

fn close(world: &World, name: &'static str, price: &'static str) {
    let argo = now(world.stores.producers.list()).unwrap().pop().unwrap();
    world
        .report(
            &argo,
            &Report {
                exited_at: alpine_domain::Clock::now(&*world.clock),
                ..Report::of(name, price)
            },
        )
        .unwrap();
}

#[test]
fn each_tier_is_told_what_it_may_see_when_it_may() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let low = publish(&world, "SIG-1", "84.9");
    let high = publish(&world, "SIG-2", "85.0");
    let [free, starter, pro] =
        [Tier::Free, Tier::Starter, Tier::Pro].map(|it| subscriber(&ada, it));
    assert_eq!(ids(&world, free), []);
    assert_eq!(ids(&world, starter), [NotificationId::Published(low)]);
    assert_eq!(ids(&world, pro).len(), 2);
    assert!(ids(&world, pro).contains(&NotificationId::Published(high)));
    world.at(LATE - MICROSECOND);
    assert_eq!(page(&world, free, ALL).unread, 0);
    close(&world, "SIG-1", "101.0");
    world.at(LATE);
    let seen = told(&world, free);
    assert_eq!(seen.len(), 1);
    // It tells when the signal was accepted, whoever asks.
    assert_eq!((seen[0].created_at, seen[0].kind), (START, NotificationKind::NewSignal));
    assert_eq!(seen[0].title, "New signal: BUY AAPL");
    assert_eq!(seen[0].message, "BUY AAPL at 100.0, with a confidence of 84.9 %.");
    assert_eq!(ids(&world, starter)[0], NotificationId::Closed(low));
    world.at(LATE + LATE - MICROSECOND);
    let seen = told(&world, free);
    assert_eq!(
        (seen[0].id, seen[0].kind),
        (NotificationId::Closed(low), NotificationKind::SignalClosed)
    );
    assert_eq!(seen[0].created_at, START.later(LATE - MICROSECOND));
    assert_eq!(seen[0].title, "Signal closed: BUY AAPL");
    assert_eq!(seen[0].message, "BUY AAPL: closed at 101.0, 1 %.");
}

#[test]
fn what_was_before_the_account_or_is_old_is_not_told() {
    let world = World::new();
    publish(&world, "SIG-0", "70.0");
    world.at(MICROSECOND);
    let ada = world.sign_up("ada@example.com");
    let ada = subscriber(&ada, Tier::Elite);
    assert_eq!(ids(&world, ada), []);
    let first = NotificationId::Published(publish(&world, "SIG-1", "70.0"));
    assert_eq!(ids(&world, ada), [first]);
    world.at(30 * DAY + MICROSECOND);
    assert_eq!(ids(&world, ada), [first]);
    world.at(30 * DAY + 2 * MICROSECOND);
    assert_eq!(ids(&world, ada), []);
    // It was closed just now, whenever it was published.
    close(&world, "SIG-0", "99.0");
    assert_eq!(ids(&world, ada).len(), 1);
}

#[test]
fn the_newest_are_told_as_far_as_the_tier_is_shown_any() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let mut published = Vec::new();
    for n in 0..=TOLD {
        world.at(MICROSECOND * n);
        published.push(NotificationId::Published(publish(&world, &format!("SIG-{n}"), "70.0")));
    }
    published.reverse();
    world.at(DAY);
    assert_eq!(ids(&world, subscriber(&ada, Tier::Elite)), published[..100]);
    assert_eq!(ids(&world, subscriber(&ada, Tier::Free)), published[..10]);
}

#[test]
fn they_are_read_and_deleted_by_each_user_alone() {
    let world = World::new();
    let (ada, eve) = (world.sign_up("ada@example.com"), world.sign_up("eve@example.com"));
    let [ada, eve] = [&ada, &eve].map(|who| subscriber(who, Tier::Elite));
    let published = ["SIG-1", "SIG-2", "SIG-3"].map(|name| {
        world.clock.advance(MICROSECOND);
        NotificationId::Published(publish(&world, name, "70.0"))
    });
    let cases = &world.cases.notifications;
    let unknown = NotificationId::Published(SignalId::new(4_711));
    let named = [published[1], published[1], unknown, NotificationId::Own(7)];
    world.at(DAY);
    assert_eq!(now(cases.mark_read(ada, &named)).unwrap(), 1);
    assert_eq!(now(cases.mark_read(ada, &named)).unwrap(), 0);
    let unread = NotificationRequest { unread_only: true, ..ALL };
    let left = page(&world, ada, unread);
    let left_ids: Vec<_> = left.items.iter().map(|told| told.id).collect();
    assert_eq!((left_ids, left.total, left.unread), (vec![published[2], published[0]], 2, 2));
    let read_at = |who, n: usize| told(&world, who)[n].read_at;
    assert_eq!([0, 1, 2].map(|n| read_at(ada, n)), [None, Some(START.later(DAY)), None]);
    assert_eq!(page(&world, eve, ALL).unread, 3);

    world.at(2 * DAY);
    assert_eq!(now(cases.mark_all_read(ada)).unwrap(), 2);
    assert_eq!(now(cases.mark_all_read(ada)).unwrap(), 0);
    let (one, two) = (Some(START.later(DAY)), Some(START.later(2 * DAY)));
    assert_eq!([0, 1, 2].map(|n| read_at(ada, n)), [two, one, two]);
    let next = NotificationId::Published(publish(&world, "SIG-4", "70.0"));
    assert_eq!(page(&world, ada, unread).items[0].id, next);

    now(cases.delete(ada, published[1])).unwrap();
    let gone = now(cases.delete(ada, published[1]));
    assert!(matches!(gone, Err(Error::NotFound("notification"))));
    assert!(matches!(now(cases.delete(ada, unknown)), Err(Error::NotFound("notification"))));
    assert_eq!(ids(&world, ada), [next, published[2], published[0]]);
    assert_eq!(page(&world, ada, ALL).total, 3);
    assert_eq!(ids(&world, eve).len(), 4);
}

#[test]
fn rows_and_signals_make_one_list() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    for n in 0..4_u32 {
        world.at(MICROSECOND * (n / 2 + 1));
        publish(&world, &format!("SIG-{n}"), "70.0");
        let tier = if n % 2 == 0 { Tier::Pro } else { Tier::Elite };
        let (id, at) = (ada.account.id, alpine_domain::Clock::now(&*world.clock));
        now(world.stores.accounts.set_tier_and_role(id, tier, Role::User, at)).unwrap();
    }
    let ada = subscriber(&ada, Tier::Elite);
    let whole = page(&world, ada, ALL);
    assert_eq!((whole.items.len(), whole.total, whole.unread), (8, 8, 8));
    let places: Vec<_> = whole.items.iter().map(Notification::place).collect();
    assert!(places.is_sorted_by(|newer, older| newer > older));
    for limit in 1..=9 {
        let (mut items, mut after) = (Vec::new(), None);
        for _ in 0..9 {
            let part = page(&world, ada, NotificationRequest { limit, after, ..ALL });
            items.extend(part.items);
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(items, whole.items, "{limit}");
        for offset in 0..=9 {
            let part = page(&world, ada, NotificationRequest { limit, offset, ..ALL });
            let rest = &whole.items[(offset as usize).min(8)..];
            assert_eq!(part.items, rest[..rest.len().min(limit as usize)], "{limit} {offset}");
            assert_eq!(part.next.is_some(), rest.len() > limit as usize, "{limit} {offset}");
        }
    }
    assert_eq!(now(world.cases.notifications.mark_all_read(ada)).unwrap(), 8);
    assert_eq!(page(&world, ada, ALL).unread, 0);
}

#[test]
fn what_a_simulation_made_up_is_told_as_such() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com");
    let simulated = world.producer("dreams", true);
    world.submit(&simulated, &Offer::named("SIG-1")).unwrap();
    let told = told(&world, subscriber(&ada, Tier::Elite));
    assert_eq!(told[0].title, "New signal (simulated): BUY AAPL");
}

#[test]
fn nobody_is_told_of_what_they_switched_off_but_of_strangers_in_any_case() {
    let world = World::new();
    let who = world.sign_up("ada@example.com");
    let ada = subscriber(&who, Tier::Elite);
    let signal = publish(&world, "SIG-1", "70.0");
    world.at(MICROSECOND);
    close(&world, "SIG-1", "101.0");
    let cases = &world.cases.notifications;
    let choose = |kind, is_told| now(cases.choose(ada.user, vec![(kind, is_told)]));
    assert!(
        !choose(NotificationKind::NewSignal, false).unwrap().tells(NotificationKind::NewSignal)
    );
    assert_eq!(ids(&world, ada), [NotificationId::Closed(signal)]);
    assert_eq!(page(&world, ada, ALL).unread, 1);
    choose(NotificationKind::SignalClosed, false).unwrap();
    assert_eq!(page(&world, ada, ALL).total, 0);
    // What was published meanwhile is told once it is wanted again.
    choose(NotificationKind::NewSignal, true).unwrap();
    assert_eq!(ids(&world, ada), [NotificationId::Published(signal)]);
    let reason = "is told in any case: it tells of strangers";
    for kind in [NotificationKind::NewSignIn, NotificationKind::Security] {
        assert_eq!(refusal(choose(kind, false)), format!("invalid input: {kind}: {reason}"));
        choose(kind, true).unwrap();
    }
    assert_eq!(now(cases.muted(ada.user)).unwrap().to_stored(), "signal_closed");
}
