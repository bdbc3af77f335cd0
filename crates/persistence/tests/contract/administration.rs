//! Lists of accounts by every filter, page by page; changes that are told, with why.

use alpine_domain::{
    Error,
    account::{
        Account, AccountChange, AccountChanges, DELETED, Deletion, LAST_ADMIN, NewAccount, Role,
        Tier, UserFilter, UserId, UserPosition, UserQuery,
    },
    audit::{Action, AuditFilter, AuditQuery},
    error::ConflictKind,
};

use crate::support::{Bed, at, new_account, on_every};

on_every!(
    every_filter_lists_what_it_admits_in_pages_of_every_size,
    addresses_are_taken_to_the_letter,
    counting_stops_at_the_cap,
    a_change_is_made_and_told_with_its_reason,
    what_is_so_already_changes_nothing,
    disabling_ends_sessions_and_what_was_mailed,
    some_enabled_administrator_is_always_left,
    of_two_who_disable_each_other_at_once_one_stays,
    a_deleted_account_stays_disabled,
    the_last_sign_in_is_told,
);

/// Accounts of every tier, role and state, several of one instant.
async fn crowd(bed: &Bed) -> Vec<Account> {
    let mut all = Vec::new();
    for number in 0..48_usize {
        let tier = Tier::ALL[number % 4];
        let role = if number % 7 == 0 { Role::Admin } else { Role::User };
        let name = ["a", "ab", "b", "é", "z_"][number % 5];
        let account = NewAccount {
            tier,
            role,
            created_at: at((number / 3).try_into().unwrap()),
            ..new_account(&format!("{name}{number}@example.com"))
        };
        let made = bed.accounts.create(account).await.unwrap();
        if number % 3 == 0 {
            bed.disable(made.id).await;
        }
        all.push(Account { is_active: number % 3 != 0, ..made });
    }
    all
}

fn options<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    std::iter::once(None).chain(values.iter().copied().map(Some)).collect()
}

fn expected(all: &[Account], filter: &UserFilter) -> Vec<UserId> {
    let mut meant: Vec<&Account> = all.iter().filter(|it| filter.admits(it)).collect();
    if filter.search.is_some() {
        meant.sort_by_key(|account| account.email.as_str().as_bytes());
    } else {
        meant.sort_by_key(|account| std::cmp::Reverse((account.created_at, account.id)));
    }
    meant.into_iter().map(|account| account.id).collect()
}

/// All pages of `limit` accounts, by the position of the last one, and the total that each told.
async fn pages(bed: &Bed, filter: &UserFilter, limit: u32) -> Vec<UserId> {
    let mut ids = Vec::new();
    let (mut after, mut total): (Option<UserPosition>, Option<u32>) = (None, None);
    loop {
        let query = UserQuery { filter: filter.clone(), limit, offset: 3, after: after.clone() };
        let query = if after.is_none() { UserQuery { offset: 0, ..query } } else { query };
        let (page, count) = bed.administration.users(query, 100).await.unwrap();
        assert_eq!(*total.get_or_insert(count), count);
        ids.extend(page.iter().map(|account| account.id));
        match page.last().filter(|_| page.len() == limit as usize) {
            Some(last) => after = Some(filter.position(last)),
            None => break,
        }
    }
    assert_eq!(total, Some(u32::try_from(ids.len()).unwrap()), "{filter:?}");
    ids
}

async fn every_filter_lists_what_it_admits_in_pages_of_every_size(bed: Bed) {
    let all = crowd(&bed).await;
    for tier in options(Tier::ALL) {
        for is_active in options(&[true, false]) {
            for role in options(Role::ALL) {
                for search in options(&["a", "AB1", "é", "nobody"]) {
                    let search = search.map(|text| text.parse().unwrap());
                    let filter = UserFilter { tier, is_active, role, search };
                    let meant = expected(&all, &filter);
                    for limit in [7, 50] {
                        assert_eq!(pages(&bed, &filter, limit).await, meant, "{filter:?} {limit}");
                    }
                    let query = UserQuery { filter, limit: 4, offset: 3, after: None };
                    let (part, _) = bed.administration.users(query, 100).await.unwrap();
                    let part: Vec<_> = part.iter().map(|account| account.id).collect();
                    let expected: Vec<_> = meant.into_iter().skip(3).take(4).collect();
                    assert_eq!(part, expected);
                }
            }
        }
    }
}

async fn addresses_are_taken_to_the_letter(bed: Bed) {
    for address in ["a_b@example.com", "axb@example.com", "a%b@example.com", "A.B@example.com"] {
        bed.user(address).await;
    }
    for (search, found) in [
        ("a_", vec!["a_b@example.com"]),
        ("A%", vec!["a%b@example.com"]),
        ("%", vec![]),
        ("a.b@example.com", vec!["a.b@example.com"]),
        ("a", vec!["a%b@example.com", "a.b@example.com", "a_b@example.com", "axb@example.com"]),
    ] {
        let filter = UserFilter { search: Some(search.parse().unwrap()), ..UserFilter::default() };
        let query = UserQuery { filter, limit: 9, offset: 0, after: None };
        let (page, _) = bed.administration.users(query, 9).await.unwrap();
        let addresses: Vec<_> = page.iter().map(|account| account.email.as_str()).collect();
        assert_eq!(addresses, found, "{search}");
    }
}

async fn counting_stops_at_the_cap(bed: Bed) {
    crowd(&bed).await;
    for role in options(Role::ALL) {
        let filter = UserFilter { role, ..UserFilter::default() };
        let query = UserQuery { filter, limit: 1, offset: 0, after: None };
        assert_eq!(bed.administration.users(query, 5).await.unwrap().1, 5);
    }
}

async fn told(bed: &Bed, action: Action) -> Vec<Told> {
    let filter = AuditFilter::Action(action);
    let query = AuditQuery { filter, since: None, until: None, after: None, limit: 9 };
    let page = bed.audit.page(query).await.unwrap();
    page.into_iter().map(|row| (row.line.detail, row.line.reason)).collect()
}

fn change(
    user: UserId,
    tier: Option<Tier>,
    is_active: Option<bool>,
    seconds: i64,
) -> AccountChange {
    AccountChange {
        user,
        changes: AccountChanges { tier, is_active },
        reason: Some("a trial".parse().unwrap()),
        now: at(seconds),
    }
}

/// A line's detail and reason.
type Told = (Option<String>, Option<String>);

fn line(detail: &str, reason: Option<&str>) -> Told {
    (Some(detail.to_owned()), reason.map(str::to_owned))
}

async fn a_change_is_made_and_told_with_its_reason(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let before = bed.kinds().await.len();
    let both = change(ada.id, Some(Tier::Pro), Some(false), 1);
    let changed = bed.administration.change(both).await.unwrap();
    assert_eq!((changed.tier, changed.is_active, changed.updated_at), (Tier::Pro, false, at(1)));
    assert_eq!(bed.accounts.account(ada.id).await.unwrap().unwrap(), changed);
    assert_eq!(told(&bed, Action::TierChanged).await, [line("free -> pro", Some("a trial"))]);
    let disabled = line("enabled -> disabled", Some("a trial"));
    assert_eq!(told(&bed, Action::ActivationChanged).await, std::slice::from_ref(&disabled));
    assert_eq!(bed.kinds().await[before..], ["account_changed"]);
    let without = AccountChange { reason: None, ..change(ada.id, None, Some(true), 2) };
    let enabled = bed.administration.change(without).await.unwrap();
    assert_eq!((enabled.tier, enabled.is_active), (Tier::Pro, true));
    let enabled = line("disabled -> enabled", None);
    assert_eq!(told(&bed, Action::ActivationChanged).await, [enabled, disabled]);
    let nobody = UserId::generate(at(0), [9; 10]);
    let refused = bed.administration.change(change(nobody, Some(Tier::Pro), None, 3)).await;
    assert!(matches!(refused, Err(Error::NotFound(_))));
}

async fn what_is_so_already_changes_nothing(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let before = bed.kinds().await.len();
    let same = change(ada.id, Some(Tier::Free), Some(true), 1);
    assert_eq!(bed.administration.change(same).await.unwrap(), ada);
    assert_eq!(bed.kinds().await.len(), before);
    assert_eq!(told(&bed, Action::TierChanged).await, []);
    bed.administration.change(change(ada.id, None, Some(false), 2)).await.unwrap();
    let again = bed.administration.change(change(ada.id, None, Some(false), 3)).await.unwrap();
    assert_eq!((again.generation, again.updated_at), (1, at(2)), "it ends nothing a second time");
}

async fn disabling_ends_sessions_and_what_was_mailed(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    bed.session(ada.id, "refresh").await;
    bed.administration.change(change(ada.id, Some(Tier::Pro), None, 1)).await.unwrap();
    assert_eq!(bed.accounts.sessions(ada.id, at(1), 9).await.unwrap().len(), 1);
    bed.administration.change(change(ada.id, None, Some(false), 2)).await.unwrap();
    bed.administration.change(change(ada.id, None, Some(true), 3)).await.unwrap();
    assert_eq!(bed.accounts.sessions(ada.id, at(3), 9).await.unwrap(), []);
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!((state.is_active, state.generation), (true, 1));
}

async fn admin(bed: &Bed, email: &str) -> Account {
    let account = NewAccount { role: Role::Admin, ..new_account(email) };
    bed.accounts.create(account).await.unwrap()
}

fn is_last(result: &alpine_domain::Result<Account>) -> bool {
    matches!(result, Err(Error::Conflict(it)) if it.kind == ConflictKind::LastAdmin && it.detail == LAST_ADMIN)
}

async fn some_enabled_administrator_is_always_left(bed: Bed) {
    let (ada, bob) = (admin(&bed, "ada@example.com").await, admin(&bed, "bob@example.com").await);
    bed.administration.change(change(bob.id, None, Some(false), 1)).await.unwrap();
    let refused = bed.administration.change(change(ada.id, Some(Tier::Pro), Some(false), 2)).await;
    assert!(is_last(&refused), "{refused:?}");
    assert_eq!(bed.accounts.account(ada.id).await.unwrap().unwrap(), ada, "nothing is changed");
    bed.administration.change(change(ada.id, Some(Tier::Pro), None, 2)).await.unwrap();
    bed.administration.change(change(bob.id, None, Some(true), 3)).await.unwrap();
    bed.administration.change(change(ada.id, None, Some(false), 4)).await.unwrap();
}

async fn of_two_who_disable_each_other_at_once_one_stays(bed: Bed) {
    let (ada, bob) = (admin(&bed, "a0@example.com").await, admin(&bed, "b0@example.com").await);
    for round in 1..=10 {
        let both = [ada.id, bob.id].map(|id| {
            let administration = bed.administration.clone();
            tokio::spawn(async move {
                administration.change(change(id, None, Some(false), round)).await
            })
        });
        let mut disabled = 0;
        for one in both {
            disabled += u32::from(!is_last(&one.await.unwrap()));
        }
        assert_eq!((disabled, bed.accounts.count_admins().await.unwrap()), (1, 1), "round {round}");
        for id in [ada.id, bob.id] {
            bed.administration.change(change(id, None, Some(true), round)).await.unwrap();
        }
    }
}

async fn a_deleted_account_stays_disabled(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let deletion = Deletion {
        user: ada.id,
        proved_by: "hash".to_owned(),
        now: at(1),
        erase_at: at(9),
        jobs: Vec::new(),
    };
    bed.deletions.delete(deletion).await.unwrap();
    let refused = bed.administration.change(change(ada.id, None, Some(true), 2)).await;
    assert!(matches!(refused, Err(Error::Forbidden(DELETED))), "{refused:?}");
}

async fn the_last_sign_in_is_told(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    assert_eq!(bed.administration.last_sign_in(ada.id).await.unwrap(), None);
    bed.session(ada.id, "one").await;
    bed.session(ada.id, "two").await;
    assert_eq!(bed.administration.last_sign_in(ada.id).await.unwrap(), Some(at(0)));
    assert_eq!(bed.administration.last_sign_in(bob.id).await.unwrap(), None);
}
