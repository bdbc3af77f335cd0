//! What users are told of: by which changes, how it is listed, read and deleted.

use alpine_domain::{
    Error, Timestamp,
    account::{AddressDigest, PasswordChange, Role, Tier, UserId},
    notification::{
        KEPT, KeptPage, KeptQuery, MarkChange, Notification, NotificationCursor, NotificationId,
        NotificationKind,
    },
    signal::{Record, Signal, SignalId},
};

use crate::support::{Bed, at, on_every, outcome, random, signal};

on_every!(
    a_change_tells_its_user_and_nobody_else,
    a_sign_in_from_a_place_that_no_kept_session_knows_is_told,
    a_list_is_read_page_by_page_newest_first,
    what_is_read_and_deleted_is_the_users_own,
    the_newest_are_kept,
    what_is_done_with_notifications_of_signals_is_kept_for_each_user,
    who_has_no_account_is_told_nothing,
    what_closed_is_listed_the_last_first,
    what_a_user_does_not_want_to_be_told_is_not_written,
);

fn query(user: UserId) -> KeptQuery {
    KeptQuery { user, unread_only: false, after: None, limit: 1_000 }
}

async fn all(bed: &Bed, user: UserId) -> KeptPage {
    bed.notifications.page(query(user)).await.unwrap()
}

/// The page of who is told of nothing.
async fn nothing(bed: &Bed, user: UserId) -> KeptPage {
    let state = bed.notifications.state(user).await.unwrap();
    KeptPage { items: Vec::new(), total: 0, unread: 0, state }
}

fn row(told: &Notification) -> i64 {
    told.id.row().unwrap()
}

async fn kinds(bed: &Bed, user: UserId) -> Vec<NotificationKind> {
    all(bed, user).await.items.iter().map(|told| told.kind).collect()
}

/// Gives the account another tier at each of these seconds; each is told of.
async fn told_at(bed: &Bed, user: UserId, seconds: impl IntoIterator<Item = i64>) {
    let mut tier = bed.accounts.account(user).await.unwrap().unwrap().tier;
    for second in seconds {
        tier = if tier == Tier::Pro { Tier::Elite } else { Tier::Pro };
        bed.accounts.set_tier_and_role(user, tier, Role::User, at(second)).await.unwrap();
    }
}

async fn a_change_tells_its_user_and_nobody_else(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    assert_eq!(all(&bed, ada).await, nothing(&bed, ada).await);
    let set_tier = |tier, role, now| bed.accounts.set_tier_and_role(ada, tier, role, now);
    set_tier(Tier::Pro, Role::User, at(1)).await.unwrap();
    // The same tier again is no other tier.
    set_tier(Tier::Pro, Role::User, at(2)).await.unwrap();
    let change = PasswordChange {
        user: ada,
        proved_by: "hash".to_owned(),
        password_hash: "another".to_owned(),
        now: at(3),
    };
    bed.accounts.change_password(change.clone()).await.unwrap();
    // What is refused tells nobody of anything.
    bed.accounts.change_password(change).await.unwrap_err();
    let told = all(&bed, ada).await;
    assert_eq!((told.total, told.unread), (2, 2));
    let [password, tier] = &told.items[..] else { panic!("{told:?}") };
    assert_eq!((password.kind, password.created_at), (NotificationKind::Security, at(3)));
    assert_eq!(password.title, "Your password was changed");
    assert_eq!((tier.kind, tier.created_at), (NotificationKind::TierChanged, at(1)));
    assert_eq!(tier.message, "Your plan was free and is pro from now on.");
    assert_eq!((tier.read_at, password.read_at), (None, None));
    assert_eq!(all(&bed, bob).await, nothing(&bed, bob).await);
}

async fn a_sign_in_from_a_place_that_no_kept_session_knows_is_told(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    let place = |name: &str| Some(AddressDigest::from_stored(name.to_owned()));
    // Nobody is told of the first sign-in by a client, nor of one by a command.
    bed.session_from(ada, "r0", None).await;
    bed.session_from(ada, "r1", place("home")).await;
    bed.session_from(ada, "r2", place("home")).await;
    bed.session_from(ada, "r3", None).await;
    // What somebody else knows is no matter.
    bed.session_from(bob, "r4", place("work")).await;
    assert_eq!(kinds(&bed, ada).await, []);
    bed.session_from(ada, "r5", place("work")).await;
    assert_eq!(kinds(&bed, ada).await, [NotificationKind::NewSignIn]);
    bed.session_from(ada, "r6", place("work")).await;
    bed.session_from(ada, "r7", place("home")).await;
    assert_eq!(kinds(&bed, ada).await, [NotificationKind::NewSignIn]);
    assert_eq!(kinds(&bed, bob).await, []);
}

async fn a_list_is_read_page_by_page_newest_first(bed: Bed) {
    let ada = bed.user("ada@example.com").await.id;
    // Two of one instant, and one that a clock that went back made last.
    told_at(&bed, ada, [1, 2, 2, 5, 4]).await;
    let times = |items: &[Notification]| -> Vec<Timestamp> {
        items.iter().map(|told| told.created_at).collect()
    };
    let whole = all(&bed, ada).await.items;
    assert_eq!(times(&whole), [at(5), at(4), at(2), at(2), at(1)]);
    assert!(whole[2].id > whole[3].id);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = bed.notifications.page(KeptQuery { after, limit: 1, ..query(ada) }).await;
        let page = page.unwrap();
        assert_eq!((page.total, page.unread), (5, 5));
        let Some(last) = page.items.last() else { break };
        after = Some(last.place());
        paged.extend(page.items);
    }
    assert_eq!(paged, whole);

    bed.notifications.mark_read(ada, &[row(&whole[1]), row(&whole[3])], at(9)).await.unwrap();
    let unread = KeptQuery { unread_only: true, ..query(ada) };
    let page = bed.notifications.page(unread).await.unwrap();
    assert_eq!(times(&page.items), [at(5), at(2), at(1)]);
    assert_eq!((page.total, page.unread), (5, 3));
    // A cursor needs no row.
    let after = Some(NotificationCursor { created_at: at(2), id: NotificationId::Own(0) });
    let page = bed.notifications.page(KeptQuery { after, ..unread }).await.unwrap();
    assert_eq!(times(&page.items), [at(1)]);
    // What is no row stands behind the rows of its instant.
    let signal = NotificationId::Closed(SignalId::new(1));
    let after = Some(NotificationCursor { created_at: at(2), id: signal });
    let page = bed.notifications.page(KeptQuery { after, ..query(ada) }).await.unwrap();
    assert_eq!(times(&page.items), [at(1)]);
}

async fn what_is_read_and_deleted_is_the_users_own(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    told_at(&bed, ada, [1, 2, 3]).await;
    told_at(&bed, bob, [1]).await;
    let ids: Vec<_> = all(&bed, ada).await.items.iter().map(row).collect();
    let store = &bed.notifications;
    assert_eq!(store.mark_read(bob, &ids, at(4)).await.unwrap(), 0);
    // One that is named twice is one; one that nobody has is none.
    let named = [ids[0], ids[0], i64::MAX];
    assert_eq!(store.mark_read(ada, &named, at(5)).await.unwrap(), 1);
    assert_eq!(store.mark_read(ada, &ids[..1], at(6)).await.unwrap(), 0);
    assert_eq!(all(&bed, ada).await.items[0].read_at, Some(at(5)));
    assert_eq!(store.mark_all_read(ada, at(7)).await.unwrap(), 2);
    assert_eq!(store.mark_all_read(ada, at(8)).await.unwrap(), 0);
    let read: Vec<_> = all(&bed, ada).await.items.iter().map(|told| told.read_at).collect();
    assert_eq!(read, [at(5), at(7), at(7)].map(Some));
    assert_eq!(all(&bed, bob).await.unread, 1);

    assert!(!store.delete(bob, ids[1]).await.unwrap());
    assert!(store.delete(ada, ids[1]).await.unwrap());
    assert!(!store.delete(ada, ids[1]).await.unwrap());
    let left: Vec<_> = all(&bed, ada).await.items.iter().map(row).collect();
    assert_eq!(left, [ids[0], ids[2]]);
    // A number is never used twice.
    store.delete(ada, ids[0]).await.unwrap();
    told_at(&bed, ada, [9]).await;
    assert!(!ids.contains(&row(&all(&bed, ada).await.items[0])));
}

async fn the_newest_are_kept(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    told_at(&bed, bob, [0]).await;
    told_at(&bed, ada, 1..=i64::from(KEPT)).await;
    let told = all(&bed, ada).await;
    assert_eq!((told.total, told.items[499].created_at), (KEPT, at(1)));
    told_at(&bed, ada, [1_000, 1_001]).await;
    let told = all(&bed, ada).await;
    assert_eq!((told.total, told.unread, told.items.len()), (KEPT, KEPT, 500));
    let (newest, oldest) = (told.items[0].created_at, told.items[499].created_at);
    assert_eq!((newest, oldest), (at(1_001), at(3)));
    assert_eq!(all(&bed, bob).await.total, 1);
}

async fn what_is_done_with_notifications_of_signals_is_kept_for_each_user(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    let [one, two] = [1, 2].map(|n| NotificationId::Published(SignalId::new(n)));
    let store = &bed.notifications;
    let before = store.state(ada).await.unwrap();
    assert_eq!((before.since, before.marks.is_deleted(one)), (at(0), false));
    store.mark_signals(ada, MarkChange::Read(vec![one]), at(2)).await.unwrap();
    store.mark_signals(ada, MarkChange::Delete(two), at(3)).await.unwrap();
    store.mark_signals(ada, MarkChange::ReadUntil(at(1)), at(4)).await.unwrap();
    let marks = store.state(ada).await.unwrap().marks;
    assert_eq!(marks, all(&bed, ada).await.state.marks);
    assert_eq!((marks.read_at(one, at(9)), marks.is_deleted(two)), (Some(at(2)), true));
    let closed = NotificationId::Closed(SignalId::new(1));
    assert_eq!([at(1), at(2)].map(|made| marks.read_at(closed, made)), [Some(at(4)), None]);
    assert_eq!(store.state(bob).await.unwrap(), before);
    // Changes at once lose nothing.
    let changes = (0..8).map(|n| {
        let (store, id) = (bed.notifications.clone(), NotificationId::Closed(SignalId::new(n)));
        tokio::spawn(async move { store.mark_signals(bob, MarkChange::Delete(id), at(5)).await })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap().unwrap();
    }
    let marks = store.state(bob).await.unwrap().marks;
    assert!((0..8).all(|n| marks.is_deleted(NotificationId::Closed(SignalId::new(n)))));
}

async fn who_has_no_account_is_told_nothing(bed: Bed) {
    let nobody = UserId::generate(at(0), random());
    let store = &bed.notifications;
    assert!(matches!(store.page(query(nobody)).await, Err(Error::NotFound("account"))));
    assert!(matches!(store.state(nobody).await, Err(Error::NotFound("account"))));
    let change = store.mark_signals(nobody, MarkChange::ReadUntil(at(1)), at(1)).await;
    assert!(matches!(change, Err(Error::NotFound("account"))));
}

async fn what_closed_is_listed_the_last_first(bed: Bed) {
    let argo = bed.producer().await;
    let signals: Vec<_> = (0..5).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    bed.store(signals.clone()).await;
    // The last one stays open.
    for (n, seconds) in [(0, 30), (1, 10), (2, 20), (3, 20)] {
        bed.signals.record_outcome(outcome(&signals[n], "101", seconds)).await.unwrap();
    }
    let names = |list: Vec<Signal>| -> Vec<String> {
        list.iter().map(|signal| signal.content.external_id.to_string()).collect()
    };
    let list = async |below, span, limit| {
        names(bed.signals.closings(below, Record::All, span, limit).await.unwrap())
    };
    let always = (Timestamp::MIN, Timestamp::MAX);
    assert_eq!(list(None, always, 10).await, ["SIG-0", "SIG-3", "SIG-2", "SIG-1"]);
    assert_eq!(list(None, always, 2).await, ["SIG-0", "SIG-3"]);
    assert_eq!(list(None, (at(10), at(20)), 10).await, ["SIG-3", "SIG-2", "SIG-1"]);
    assert_eq!(list(None, (at(11), at(19)), 10).await, [""; 0]);
    assert_eq!(list(Some(87.5), always, 10).await, [""; 0]);
    assert_eq!(list(Some(87.6), always, 10).await.len(), 4);
    let closed = bed.signals.closings(None, Record::All, always, 1).await.unwrap();
    assert_eq!(closed, [bed.signals.find(closed[0].id).await.unwrap().unwrap()]);
}

async fn what_a_user_does_not_want_to_be_told_is_not_written(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    let store = &bed.notifications;
    let tells = async |user, kind| store.state(user).await.unwrap().muted.tells(kind);
    told_at(&bed, ada, [1]).await;
    let tier = NotificationKind::TierChanged;
    let muted = store.choose(ada, vec![(tier, false), (NotificationKind::NewSignal, false)]).await;
    assert!(!muted.unwrap().tells(tier));
    assert_eq!([tells(ada, tier).await, tells(bob, tier).await], [false, true]);
    told_at(&bed, ada, [2, 3]).await;
    told_at(&bed, bob, [2]).await;
    assert_eq!([all(&bed, ada).await.total, all(&bed, bob).await.total], [1, 1]);
    // What is not named stays as it was.
    let muted = store.choose(ada, vec![(tier, true)]).await.unwrap();
    assert_eq!(muted, store.state(ada).await.unwrap().muted);
    assert!(muted.tells(tier) && !muted.tells(NotificationKind::NewSignal));
    told_at(&bed, ada, [4]).await;
    assert_eq!(all(&bed, ada).await.total, 2);
    let nobody = UserId::generate(at(0), random());
    assert!(matches!(store.choose(nobody, Vec::new()).await, Err(Error::NotFound("account"))));
}
