//! A change of address waits for both confirmations, and for nothing that came before another password.

use std::time::Duration;

use alpine_domain::{
    Error,
    account::{
        Account, AddressConfirmed, AddressSide, EmailChange, MailPurpose, MailToken,
        NewAddressChange, PasswordChange, PasswordReset, PendingAddressChange, SignOut,
    },
    jobs::{Claim, Job, JobCounts, Lane, Lease, NewJob},
    ports::secrets::Randomness,
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    both_addresses_confirm_in_any_order,
    a_token_confirms_once_and_a_newer_change_replaces_it,
    a_change_ends_in_time,
    what_was_mailed_to_the_old_address_is_good_no_more,
    nothing_is_changed_without_the_password,
    another_password_or_signing_out_ends_a_change,
    an_address_that_was_taken_meanwhile_stays_its_owners,
    two_confirmations_at_once_change_the_address_once,
    of_two_accounts_that_want_one_address_at_once_one_gets_it,
);

struct Ids;

impl Randomness for Ids {
    fn fill(&self, buffer: &mut [u8]) {
        let bytes: [u8; 10] = random();
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

fn change(account: &Account, email: &str, seconds: i64) -> NewAddressChange {
    NewAddressChange {
        user: account.id,
        change: EmailChange { email: email.parse().unwrap(), proved_by: "hash".to_owned() },
        now: at(seconds),
        expires_at: at(seconds).later(Duration::from_secs(100)),
    }
}

/// Asks for a change, and keeps `OLD` and `NEW`, each with `mark`, as the tokens.
async fn asked(bed: &Bed, account: &Account, email: &str, seconds: i64, mark: &str) {
    let user = account.id;
    let job = Job::AddressChangeRequested { user, side: AddressSide::Old };
    let jobs = vec![NewJob::new(job, at(seconds))];
    bed.address_changes.ask(change(account, email, seconds), jobs).await.unwrap();
    for (side, name) in [(AddressSide::Old, "OLD"), (AddressSide::New, "NEW")] {
        let token = format!("{name}{mark}");
        let kept = bed.address_changes.put_change_token(user, side, &token, at(seconds)).await;
        assert!(kept.unwrap());
    }
}

async fn confirm(bed: &Bed, token: &str, seconds: i64) -> Option<AddressConfirmed> {
    bed.address_changes.confirm_change(token, at(seconds)).await.unwrap()
}

async fn email(bed: &Bed, account: &Account) -> String {
    let account = bed.accounts.account(account.id).await.unwrap().unwrap();
    account.email.as_str().to_owned()
}

async fn both_addresses_confirm_in_any_order(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    for (n, (first, second)) in [("OLD", "NEW"), ("NEW", "OLD")].into_iter().enumerate() {
        let (mark, wanted) = (n.to_string(), format!("ada{n}@example.org"));
        let before = email(&bed, &ada).await;
        asked(&bed, &ada, &wanted, 1, &mark).await;
        let pending = bed.address_changes.pending_change(ada.id, at(1)).await.unwrap();
        let (old, new) = (before.parse().unwrap(), wanted.parse().unwrap());
        assert_eq!(pending, Some(PendingAddressChange { old, new }));
        let one = confirm(&bed, &format!("{first}{mark}"), 2).await;
        assert_eq!((one, email(&bed, &ada).await), (Some(AddressConfirmed::One), before));
        let events = bed.kinds().await.len();
        let both = confirm(&bed, &format!("{second}{mark}"), 3).await;
        assert_eq!((both, email(&bed, &ada).await), (Some(AddressConfirmed::Both), wanted));
        assert_eq!(bed.kinds().await[events..], ["account_changed"]);
        assert!(bed.accounts.account(ada.id).await.unwrap().unwrap().is_verified);
        assert_eq!(bed.address_changes.pending_change(ada.id, at(3)).await.unwrap(), None);
    }
    // Each was asked for with one job here, and told to both addresses.
    assert_eq!(bed.jobs.counts().await.unwrap(), JobCounts { pending: 6, failed: 0 });
    let (now, until, lease) = (at(9), at(10), Lease::generate(&Ids));
    let held = bed.jobs.claim(Claim { lane: Lane::Mail, now, until, lease, limit: 10 }).await;
    let told: Vec<_> = held.unwrap().into_iter().map(|held| held.job).collect();
    for (email, side) in [
        ("ada@example.com", AddressSide::Old),
        ("ada0@example.org", AddressSide::New),
        ("ada0@example.org", AddressSide::Old),
        ("ada1@example.org", AddressSide::New),
    ] {
        let job = Job::AddressChanged { email: email.to_owned(), side };
        assert_eq!(told.iter().filter(|it| **it == job).count(), 1, "{job:?} of {told:?}");
    }
}

async fn a_token_confirms_once_and_a_newer_change_replaces_it(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    asked(&bed, &ada, "a@example.org", 1, "1").await;
    assert_eq!(confirm(&bed, "OLD1", 2).await, Some(AddressConfirmed::One));
    assert_eq!(confirm(&bed, "OLD1", 2).await, None, "the same one is not the other");
    asked(&bed, &ada, "b@example.org", 3, "2").await;
    assert_eq!(confirm(&bed, "NEW1", 4).await, None);
    assert_eq!(confirm(&bed, "NEW2", 4).await, Some(AddressConfirmed::One), "nothing is kept");
    assert_eq!(confirm(&bed, "OLD2", 4).await, Some(AddressConfirmed::Both));
    assert_eq!(email(&bed, &ada).await, "b@example.org");
}

async fn a_change_ends_in_time(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    asked(&bed, &ada, "a@example.org", 0, "").await;
    assert_eq!(confirm(&bed, "OLD", 99).await, Some(AddressConfirmed::One));
    assert_eq!(confirm(&bed, "NEW", 100).await, None);
    assert_eq!(bed.address_changes.pending_change(ada.id, at(100)).await.unwrap(), None);
    let kept = bed.address_changes.put_change_token(ada.id, AddressSide::New, "x", at(100)).await;
    assert!(!kept.unwrap());
    assert_eq!(confirm(&bed, "NEW", 99).await, Some(AddressConfirmed::Both));
}

/// One confirmation leaves them as they are: the address is still the old one.
async fn what_was_mailed_to_the_old_address_is_good_no_more(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    asked(&bed, &ada, "ada@example.org", 1, "").await;
    let purposes = [MailPurpose::Reset, MailPurpose::Verify, MailPurpose::SignIn];
    for purpose in purposes {
        let token = MailToken {
            user: ada.id,
            email: ada.email.clone(),
            purpose,
            token_hash: purpose.as_str().to_owned(),
            created_at: at(1),
            expires_at: at(100),
        };
        assert!(bed.accounts.put_mail_token(token).await.unwrap());
    }
    let good = async || {
        let mut good = Vec::new();
        for purpose in purposes {
            let found = bed.accounts.mail_token_account(purpose, purpose.as_str(), at(3)).await;
            good.extend(found.unwrap().map(|_| purpose));
        }
        good
    };
    assert_eq!(confirm(&bed, "OLD", 2).await, Some(AddressConfirmed::One));
    assert_eq!(good().await, purposes);
    assert_eq!(confirm(&bed, "NEW", 2).await, Some(AddressConfirmed::Both));
    assert_eq!(good().await, []);
    assert!(!bed.accounts.verify_email(MailPurpose::Verify.as_str(), at(3)).await.unwrap());
    let signed_in = bed.accounts.take_sign_in_token(MailPurpose::SignIn.as_str(), at(3)).await;
    assert_eq!(signed_in.unwrap(), None);
    let reset = PasswordReset {
        token_hash: MailPurpose::Reset.as_str().to_owned(),
        password_hash: "new".to_owned(),
        now: at(3),
    };
    assert!(!bed.accounts.reset_password(reset).await.unwrap());
}

async fn nothing_is_changed_without_the_password(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let mut wrong = change(&ada, "a@example.org", 1);
    "another".clone_into(&mut wrong.change.proved_by);
    let refused = bed.address_changes.ask(wrong, Vec::new()).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    assert_eq!(bed.address_changes.pending_change(ada.id, at(1)).await.unwrap(), None);
    for token in ["", "NULL"] {
        assert_eq!(confirm(&bed, token, 1).await, None);
    }
}

async fn another_password_or_signing_out_ends_a_change(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    asked(&bed, &ada, "a@example.org", 1, "1").await;
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(2)).await.unwrap();
    assert_eq!(confirm(&bed, "OLD1", 3).await, None);
    let kept = bed.address_changes.put_change_token(ada.id, AddressSide::New, "x", at(3)).await;
    assert!(!kept.unwrap());
    asked(&bed, &ada, "a@example.org", 3, "2").await;
    let (proved_by, password_hash) = ("hash".to_owned(), "new".to_owned());
    let changed = PasswordChange { user: ada.id, proved_by, password_hash, now: at(4) };
    bed.accounts.change_password(changed).await.unwrap();
    for token in ["OLD2", "NEW2"] {
        assert_eq!(confirm(&bed, token, 5).await, None);
    }
    assert_eq!(bed.address_changes.pending_change(ada.id, at(5)).await.unwrap(), None);
    assert_eq!(email(&bed, &ada).await, "ada@example.com");
}

async fn an_address_that_was_taken_meanwhile_stays_its_owners(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    asked(&bed, &ada, "eve@example.com", 1, "").await;
    let eve = bed.user("eve@example.com").await;
    assert_eq!(confirm(&bed, "OLD", 2).await, Some(AddressConfirmed::One));
    assert_eq!(confirm(&bed, "NEW", 2).await, None);
    assert_eq!(email(&bed, &ada).await, "ada@example.com");
    assert_eq!(bed.accounts.account(eve.id).await.unwrap(), Some(eve));
}

async fn two_confirmations_at_once_change_the_address_once(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    for n in 0..4 {
        let (mark, wanted) = (n.to_string(), format!("ada{n}@example.org"));
        asked(&bed, &ada, &wanted, n, &mark).await;
        let (old, new) = (format!("OLD{mark}"), format!("NEW{mark}"));
        let (one, other) = tokio::join!(confirm(&bed, &old, 9), confirm(&bed, &new, 9));
        let mut both = [one, other].map(|it| it == Some(AddressConfirmed::Both));
        both.sort_unstable();
        assert_eq!(both, [false, true], "{one:?} {other:?}");
        assert_eq!(email(&bed, &ada).await, wanted);
    }
}

/// The last confirmations of both come at once: the other account is told what an unknown token is told.
async fn of_two_accounts_that_want_one_address_at_once_one_gets_it(bed: Bed) {
    for n in 0..8 {
        let wanted = format!("wanted{n}@example.org");
        let mut wait = tokio::task::JoinSet::new();
        for name in ["ada", "bob"] {
            let account = bed.user(&format!("{name}{n}@example.com")).await;
            let mark = format!(" of {name} {n}");
            asked(&bed, &account, &wanted, 1, &mark).await;
            assert_eq!(confirm(&bed, &format!("OLD{mark}"), 2).await, Some(AddressConfirmed::One));
            let changes = bed.address_changes.clone();
            wait.spawn(async move { changes.confirm_change(&format!("NEW{mark}"), at(3)).await });
        }
        let mut told: Vec<_> = wait.join_all().await.into_iter().map(Result::unwrap).collect();
        told.sort_unstable_by_key(Option::is_some);
        assert_eq!(told, [None, Some(AddressConfirmed::Both)]);
    }
}
