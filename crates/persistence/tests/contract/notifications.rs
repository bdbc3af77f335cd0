//! What users are told of: by which changes, how it is listed, read and deleted.

use alpine_domain::{
    Timestamp,
    account::{AddressDigest, PasswordChange, Role, Tier, UserId},
    notification::{
        KEPT, KeptPage, KeptQuery, Notification, NotificationCursor, NotificationId,
        NotificationKind,
    },
};

use crate::support::{Bed, at, on_every};

on_every!(
    a_change_tells_its_user_and_nobody_else,
    a_sign_in_from_a_place_that_no_kept_session_knows_is_told,
    a_list_is_read_page_by_page_newest_first,
    what_is_read_and_deleted_is_the_users_own,
    the_newest_are_kept,
);

fn query(user: UserId) -> KeptQuery {
    KeptQuery { user, unread_only: false, after: None, limit: 1_000 }
}

async fn all(bed: &Bed, user: UserId) -> KeptPage {
    bed.notifications.page(query(user)).await.unwrap()
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
    assert_eq!(all(&bed, ada).await, KeptPage::default());
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
    assert_eq!(all(&bed, bob).await, KeptPage::default());
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

    bed.notifications.mark_read(ada, &[whole[1].id, whole[3].id], at(9)).await.unwrap();
    let unread = KeptQuery { unread_only: true, ..query(ada) };
    let page = bed.notifications.page(unread).await.unwrap();
    assert_eq!(times(&page.items), [at(5), at(2), at(1)]);
    assert_eq!((page.total, page.unread), (5, 3));
    // A cursor needs no row.
    let after = Some(NotificationCursor { created_at: at(2), id: NotificationId::new(0) });
    let page = bed.notifications.page(KeptQuery { after, ..unread }).await.unwrap();
    assert_eq!(times(&page.items), [at(1)]);
}

async fn what_is_read_and_deleted_is_the_users_own(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await.id, bed.user("bob@example.com").await.id);
    told_at(&bed, ada, [1, 2, 3]).await;
    told_at(&bed, bob, [1]).await;
    let ids: Vec<_> = all(&bed, ada).await.items.iter().map(|told| told.id).collect();
    let store = &bed.notifications;
    assert_eq!(store.mark_read(bob, &ids, at(4)).await.unwrap(), 0);
    // One that is named twice is one; one that nobody has is none.
    let named = [ids[0], ids[0], NotificationId::new(i64::MAX)];
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
    let left: Vec<_> = all(&bed, ada).await.items.iter().map(|told| told.id).collect();
    assert_eq!(left, [ids[0], ids[2]]);
    // A number is never used twice.
    store.delete(ada, ids[0]).await.unwrap();
    told_at(&bed, ada, [9]).await;
    assert!(!ids.contains(&all(&bed, ada).await.items[0].id));
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
