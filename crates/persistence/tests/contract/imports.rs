//! Accounts from elsewhere are kept once, and change nothing that is there.

use alpine_domain::{
    account::{ImportedAccount, Role, Tier, UserId},
    billing::{Applied, Entitlement, Reading},
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    accounts_are_kept_as_they_are_and_once,
    what_is_there_stays,
    some_are_new_and_some_are_there,
    a_customer_of_before_is_looked_at_at_once
);

fn imported(email: &str) -> ImportedAccount {
    ImportedAccount {
        id: UserId::generate(at(0), random()),
        email: email.parse().unwrap(),
        full_name: "Ada".parse().unwrap(),
        password_hash: format!("hash of {email}"),
        tier: Tier::Pro,
        is_active: false,
        is_verified: true,
        stripe_customer_id: None,
        created_at: at(1),
    }
}

async fn accounts_are_kept_as_they_are_and_once(bed: Bed) {
    let ada = imported("ada@example.com");
    assert_eq!(bed.imports.import(vec![ada.clone()], at(5)).await.unwrap(), [true]);
    let (account, hash) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!((account.id, account.tier, account.role), (ada.id, Tier::Pro, Role::User));
    assert_eq!((account.is_active, account.is_verified), (false, true));
    assert_eq!((account.created_at, account.updated_at), (at(1), at(5)));
    assert_eq!(hash, "hash of ada@example.com");
    // The same file again: another id, the same address.
    let again = imported("ada@example.com");
    assert_eq!(bed.imports.import(vec![again], at(6)).await.unwrap(), [false]);
    let (still, _) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!(still, account);
}

async fn what_is_there_stays(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert_eq!(
        bed.imports.import(vec![imported("ada@example.com")], at(5)).await.unwrap(),
        [false]
    );
    let (account, hash) = bed.accounts.credentials(&ada.email).await.unwrap().unwrap();
    assert_eq!((account, hash.as_str()), (ada, "hash"));
}

async fn some_are_new_and_some_are_there(bed: Bed) {
    bed.user("b@example.com").await;
    let all = ["a", "b", "c", "a"].map(|name| imported(&format!("{name}@example.com")));
    let kept = bed.imports.import(all.to_vec(), at(5)).await.unwrap();
    assert_eq!(kept, [true, false, true, false]);
}

/// What payment gave elsewhere is believed until the provider was asked, and counted.
async fn a_customer_of_before_is_looked_at_at_once(bed: Bed) {
    let of = |name: &str, tier| ImportedAccount {
        tier,
        stripe_customer_id: Some(format!("cus_{name}")),
        ..imported(&format!("{name}@example.com"))
    };
    let (ada, bob) = (of("ada", Tier::Pro), of("bob", Tier::Free));
    bed.imports
        .import(vec![ada.clone(), bob.clone(), imported("eve@example.com")], at(5))
        .await
        .unwrap();
    assert_eq!(bed.billing.user_of("cus_ada").await.unwrap(), Some(ada.id));
    let given = async |user| bed.billing.record(user).await.unwrap().unwrap().given;
    assert_eq!((given(ada.id).await, given(bob.id).await), (Some(Tier::Pro), None));
    assert_eq!(bed.billing.due(at(5), at(6), 10).await.unwrap(), 2);
    assert_eq!(bed.rollups.recount(None).await.unwrap(), []);
    // The provider knows of nothing: then nothing was paid for.
    let reading = Reading {
        user: ada.id,
        number: bed.billing.begin_reading(ada.id).await.unwrap(),
        entitlement: Entitlement::default(),
        subscription: None,
        invoices: Vec::new(),
        now: at(7),
    };
    let applied = bed.billing.apply(reading).await.unwrap();
    assert_eq!(applied, Applied::Changed { from: Tier::Pro, to: Tier::Free });
}
