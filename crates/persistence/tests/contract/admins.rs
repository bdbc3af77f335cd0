//! Roles are given and taken, and some enabled administrator is always left.

use alpine_domain::{
    Error,
    account::{Account, Role, Tier},
    audit::{Action, AuditFilter, AuditQuery},
    error::ConflictKind,
};

use crate::support::{Bed, at, on_every};

on_every!(
    a_role_is_given_and_taken_and_told,
    the_last_enabled_administrator_stays,
    who_shall_administer_is_enabled_and_has_shown_the_address,
    of_two_who_remove_each_other_at_once_one_stays,
);

async fn admin(bed: &Bed, email: &str) -> Account {
    let user = bed.user(email).await;
    bed.verify(user.id).await;
    bed.accounts.set_tier_and_role(user.id, Tier::Free, Role::Admin, at(0)).await.unwrap()
}

async fn lines(bed: &Bed) -> Vec<Option<String>> {
    let filter = AuditFilter::Action(Action::RoleChanged);
    let query = AuditQuery { filter, since: Some(at(1)), until: None, after: None, limit: 9 };
    let page = bed.audit.page(query).await.unwrap();
    page.into_iter().map(|row| row.line.detail).collect()
}

fn is_last(result: alpine_domain::Result<Account>) -> bool {
    matches!(result, Err(Error::Conflict(conflict)) if conflict.kind == ConflictKind::LastAdmin)
}

async fn a_role_is_given_and_taken_and_told(bed: Bed) {
    admin(&bed, "ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.verify(bob.id).await;
    let before = bed.kinds().await.len();
    let account = bed.accounts.change_role(bob.id, Role::Admin, at(1)).await.unwrap();
    assert_eq!((account.role, account.updated_at), (Role::Admin, at(1)));
    assert_eq!(bed.accounts.state(bob.id).await.unwrap().unwrap().role, Role::Admin);
    assert_eq!(lines(&bed).await, [Some("user -> admin".to_owned())]);
    assert_eq!(bed.kinds().await[before..], ["account_changed"]);
    bed.accounts.change_role(bob.id, Role::Admin, at(2)).await.unwrap();
    assert_eq!((lines(&bed).await.len(), bed.kinds().await.len()), (1, before + 1));
    let account = bed.accounts.change_role(bob.id, Role::User, at(3)).await.unwrap();
    assert_eq!(account.role, Role::User);
    assert_eq!(lines(&bed).await[0].as_deref(), Some("admin -> user"));
    let nobody = bed.accounts.change_role(bed_less_id(), Role::User, at(4)).await;
    assert!(matches!(nobody, Err(Error::NotFound(_))));
}

fn bed_less_id() -> alpine_domain::account::UserId {
    alpine_domain::account::UserId::generate(at(0), [9; 10])
}

async fn the_last_enabled_administrator_stays(bed: Bed) {
    let ada = admin(&bed, "ada@example.com").await;
    assert!(is_last(bed.accounts.change_role(ada.id, Role::User, at(1)).await));
    let bob = admin(&bed, "bob@example.com").await;
    bed.disable(bob.id).await;
    assert!(is_last(bed.accounts.change_role(ada.id, Role::User, at(1)).await));
    assert_eq!(bed.accounts.state(ada.id).await.unwrap().unwrap().role, Role::Admin);
    admin(&bed, "eve@example.com").await;
    bed.accounts.change_role(ada.id, Role::User, at(1)).await.unwrap();
}

async fn who_shall_administer_is_enabled_and_has_shown_the_address(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let change = async || bed.accounts.change_role(ada.id, Role::Admin, at(1)).await;
    assert!(matches!(change().await, Err(Error::Forbidden(_))));
    bed.verify(ada.id).await;
    bed.disable(ada.id).await;
    assert!(matches!(change().await, Err(Error::Forbidden(_))));
    assert_eq!(lines(&bed).await, []);
}

async fn of_two_who_remove_each_other_at_once_one_stays(bed: Bed) {
    let (ada, bob) = (admin(&bed, "a0@example.com").await, admin(&bed, "b0@example.com").await);
    for round in 1..=10 {
        let both = [ada.id, bob.id].map(|id| {
            let accounts = bed.accounts.clone();
            tokio::spawn(async move { accounts.change_role(id, Role::User, at(round)).await })
        });
        let mut removed = 0;
        for one in both {
            removed += u32::from(!is_last(one.await.unwrap()));
        }
        assert_eq!((removed, bed.accounts.count_admins().await.unwrap()), (1, 1), "round {round}");
        for id in [ada.id, bob.id] {
            bed.accounts.change_role(id, Role::Admin, at(round)).await.unwrap();
        }
    }
}
