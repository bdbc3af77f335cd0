//! Administrators list accounts, look at one and change one.

use alpine_domain::{
    Error,
    account::{AccountChanges, Tier, UserFilter, UserId, UserPosition, UserQuery},
    audit::Action,
};

use crate::support::{START, World, now, told};

fn first(limit: u32) -> UserQuery {
    UserQuery { filter: UserFilter::default(), limit, offset: 0, after: None }
}

#[test]
fn a_page_ends_where_the_next_one_begins() {
    let world = World::new();
    let mut ids: Vec<UserId> = (0..5)
        .map(|number| world.sign_up(&format!("user{number}@example.com")).account.id)
        .collect();
    let page = |query| now(world.cases.administration.users(query)).unwrap();
    let whole = page(first(5));
    assert_eq!(
        (whole.items.len(), whole.total, whole.total_capped, whole.next),
        (5, 5, false, None)
    );
    let two = page(first(2));
    assert_eq!((two.items.len(), two.total), (2, 5));
    let rest = page(UserQuery { after: two.next, ..first(3) });
    assert_eq!((rest.items.len(), rest.next), (3, None));
    let mut seen: Vec<_> = two.items.iter().chain(&rest.items).map(|account| account.id).collect();
    let newest_first = seen.is_sorted_by(|a, b| a > b);
    assert!(newest_first, "{seen:?}");
    seen.sort_unstable();
    ids.sort_unstable();
    assert_eq!(seen, ids);
}

#[test]
fn a_position_of_a_list_in_another_order_is_refused() {
    let world = World::new();
    let list = |search: Option<&str>, after| {
        let search = search.map(|text| text.parse().unwrap());
        let filter = UserFilter { search, ..UserFilter::default() };
        now(world.cases.administration.users(UserQuery { filter, after: Some(after), ..first(1) }))
    };
    let id = UserId::generate(START, [1; 10]);
    let newest = UserPosition::Newest { created_at: START, id };
    let address = UserPosition::Address("ada@example.com".to_owned());
    assert!(list(None, newest.clone()).is_ok() && list(Some("a"), address.clone()).is_ok());
    for refused in [list(None, address), list(Some("a"), newest)] {
        assert!(told(refused).contains("cursor"));
    }
}

#[test]
fn one_account_is_told_with_what_belongs_to_it() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account;
    let detail = || now(world.cases.administration.user(ada.id)).unwrap();
    let seen = detail();
    assert_eq!((&seen.account, seen.live_sessions, seen.has_more_sessions), (&ada, 1, false));
    assert_eq!((seen.live_api_keys, seen.second_factor_since), (0, None));
    assert_eq!(seen.last_sign_in_at, Some(START));
    for _ in 0..99 {
        world.sign_in("ada@example.com").unwrap();
    }
    assert_eq!((detail().live_sessions, detail().has_more_sessions), (100, false));
    world.sign_in("ada@example.com").unwrap();
    assert_eq!((detail().live_sessions, detail().has_more_sessions), (100, true));
    let nobody = now(world.cases.administration.user(UserId::generate(START, [9; 10])));
    assert!(matches!(nobody, Err(Error::NotFound(_))));
}

#[test]
fn a_change_asks_for_something_and_is_told_with_its_reason() {
    let world = World::new();
    let ada = world.sign_up("ada@example.com").account;
    let change = |changes, reason: &str| {
        let reason = Some(reason.parse().unwrap());
        now(world.cases.administration.change(ada.id, changes, reason))
    };
    let nothing = change(AccountChanges::default(), "why not");
    assert!(told(nothing).contains("give tier, is_active or both"));
    let pro = AccountChanges { tier: Some(Tier::Pro), is_active: None };
    assert_eq!(change(pro, "paid by invoice").unwrap().tier, Tier::Pro);
    let lines = world.lines(Action::TierChanged);
    let reasons: Vec<_> = lines.iter().map(|line| line.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("paid by invoice")]);
    let named = |email: &str| now(world.cases.administration.named(email));
    assert_eq!(named(" ADA@example.com").unwrap().id, ada.id);
    assert!(matches!(named("bob@example.com"), Err(Error::NotFound(_))));
}
