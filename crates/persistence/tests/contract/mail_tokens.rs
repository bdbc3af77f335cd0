//! A token that was mailed sets another password or verifies the address once, until it ends, is replaced, or the account changes.

use alpine_domain::{
    account::{
        Account, AddressProof, EmailChange, MailPurpose, MailToken, NewAccount, PasswordChange,
        PasswordReset, ProfileChange, Promotion,
    },
    jobs::{Claim, Job, Lane, Lease, NewJob},
    ports::secrets::Randomness,
};

use crate::support::{Bed, DatabaseBed, at, new_account, on_every, random};

on_every!(
    a_token_sets_the_password_once_and_ends_every_session,
    a_token_is_good_until_it_ends,
    a_newer_token_replaces_the_older,
    of_many_at_once_one_sets_the_password,
    nothing_is_stored_for_another_address_or_a_disabled_account,
    a_token_ends_with_what_it_was_made_for,
    whatever_sets_another_password_ends_every_mailed_way_in,
    a_token_verifies_the_address_once,
    a_token_is_good_for_its_purpose_alone,
    a_welcome_is_added_with_its_account,
    what_lets_somebody_in_ends_when_everybody_is_signed_out;
    databases:
    a_token_of_an_older_release_is_good_until_it_ends,
);

struct Ids;

impl Randomness for Ids {
    fn fill(&self, buffer: &mut [u8]) {
        let bytes: [u8; 10] = random();
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

fn reset(account: &Account, token: &str, seconds: i64) -> MailToken {
    MailToken {
        user: account.id,
        email: account.email.clone(),
        purpose: MailPurpose::Reset,
        token_hash: token.to_owned(),
        created_at: at(seconds),
        expires_at: at(seconds + 100),
    }
}

fn use_of(token: &str, hash: &str, seconds: i64) -> PasswordReset {
    PasswordReset { token_hash: token.to_owned(), password_hash: hash.to_owned(), now: at(seconds) }
}

fn verification(account: &Account, token: &str, seconds: i64) -> MailToken {
    MailToken { purpose: MailPurpose::Verify, ..reset(account, token, seconds) }
}

async fn is_verified(bed: &Bed, account: &Account) -> bool {
    bed.accounts.account(account.id).await.unwrap().unwrap().is_verified
}

async fn hash_of(bed: &Bed, account: &Account) -> String {
    bed.accounts.credentials(&account.email).await.unwrap().unwrap().1
}

async fn is_good(bed: &Bed, token: &str, seconds: i64) -> bool {
    bed.accounts.mail_token_account(MailPurpose::Reset, token, at(seconds)).await.unwrap().is_some()
}

async fn a_token_sets_the_password_once_and_ends_every_session(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let bob = bed.user("bob@example.com").await;
    bed.session(ada.id, "ada's").await;
    bed.session(bob.id, "bob's").await;
    assert!(bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    assert_eq!(
        bed.accounts.mail_token_account(MailPurpose::Reset, "t", at(1)).await.unwrap(),
        Some(ada.clone())
    );
    assert_eq!(
        bed.accounts.mail_token_account(MailPurpose::Reset, "u", at(1)).await.unwrap(),
        None
    );
    assert!(!bed.accounts.reset_password(use_of("u", "new", 1)).await.unwrap());
    assert!(bed.accounts.reset_password(use_of("t", "new", 1)).await.unwrap());
    assert_eq!(hash_of(&bed, &ada).await, "new");
    assert_eq!(hash_of(&bed, &bob).await, "hash");
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!(state.generation, ada.generation + 1);
    assert_eq!(bed.accounts.sessions(ada.id, at(1), 10).await.unwrap(), []);
    assert_eq!(bed.accounts.sessions(bob.id, at(1), 10).await.unwrap().len(), 1);
    assert_eq!(bed.kinds().await, ["account_changed"]);
    assert!(!is_good(&bed, "t", 1).await);
    assert!(!bed.accounts.reset_password(use_of("t", "newer", 1)).await.unwrap());
    assert_eq!((hash_of(&bed, &ada).await.as_str(), bed.kinds().await.len()), ("new", 1));
}

async fn a_token_is_good_until_it_ends(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert!(bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    assert_eq!([is_good(&bed, "t", 99).await, is_good(&bed, "t", 100).await], [true, false]);
    assert!(!bed.accounts.reset_password(use_of("t", "new", 100)).await.unwrap());
    assert!(bed.accounts.reset_password(use_of("t", "new", 99)).await.unwrap());
}

async fn a_newer_token_replaces_the_older(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    for (account, token) in [(&ada, "a1"), (&bob, "b"), (&ada, "a2")] {
        assert!(bed.accounts.put_mail_token(reset(account, token, 0)).await.unwrap());
    }
    let good = [is_good(&bed, "a1", 1).await, is_good(&bed, "a2", 1).await];
    assert_eq!((good, is_good(&bed, "b", 1).await), ([false, true], true));
    let puts: Vec<_> = (0..6)
        .map(|n| {
            let (accounts, next) = (bed.accounts.clone(), reset(&ada, &format!("n{n}"), 0));
            tokio::spawn(async move { accounts.put_mail_token(next).await.unwrap() })
        })
        .collect();
    for put in puts {
        assert!(put.await.unwrap());
    }
    let mut good = 0;
    for n in 0..6 {
        good += usize::from(is_good(&bed, &format!("n{n}"), 1).await);
    }
    assert_eq!(good, 1);
}

async fn of_many_at_once_one_sets_the_password(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert!(bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    let uses: Vec<_> = (0..6)
        .map(|n| {
            let (accounts, use_of) = (bed.accounts.clone(), use_of("t", &format!("new {n}"), 1));
            tokio::spawn(async move { accounts.reset_password(use_of).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for one in uses {
        done += usize::from(one.await.unwrap());
    }
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!((done, state.generation), (1, ada.generation + 1));
}

async fn nothing_is_stored_for_another_address_or_a_disabled_account(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert!(bed.accounts.put_mail_token(reset(&ada, "kept", 0)).await.unwrap());
    let other = MailToken { email: "b@example.com".parse().unwrap(), ..reset(&ada, "t", 0) };
    assert!(!bed.accounts.put_mail_token(other).await.unwrap());
    assert_eq!([is_good(&bed, "t", 1).await, is_good(&bed, "kept", 1).await], [false, true]);
    bed.disable(ada.id).await;
    assert!(!bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    assert_eq!([is_good(&bed, "t", 1).await, is_good(&bed, "kept", 1).await], [false, false]);
    assert!(!bed.accounts.reset_password(use_of("kept", "new", 1)).await.unwrap());
    assert_eq!(hash_of(&bed, &ada).await, "hash");
}

async fn a_token_ends_with_what_it_was_made_for(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let profile = async |email: Option<&str>| {
        let change = |email: &str| EmailChange {
            email: email.parse().unwrap(),
            proved_by: "hash".to_owned(),
        };
        let full_name = Some("Ada King".parse().unwrap());
        let change = ProfileChange { full_name, email: email.map(change) };
        bed.accounts.update_profile(ada.id, change, at(1)).await.unwrap()
    };
    assert!(bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    // Neither a name nor the same address is another address.
    profile(None).await;
    profile(Some("ada@example.com")).await;
    assert!(is_good(&bed, "t", 1).await);
    let ada = profile(Some("new@example.com")).await;
    assert!(!is_good(&bed, "t", 1).await);

    assert!(bed.accounts.put_mail_token(reset(&ada, "u", 0)).await.unwrap());
    let change = PasswordChange {
        user: ada.id,
        proved_by: "hash".to_owned(),
        password_hash: "new".to_owned(),
        now: at(1),
    };
    bed.accounts.change_password(change).await.unwrap();
    assert!(!is_good(&bed, "u", 1).await);

    assert!(bed.accounts.put_mail_token(reset(&ada, "v", 0)).await.unwrap());
    let promotion = Promotion {
        email: ada.email.clone(),
        password_hash: "newer".to_owned(),
        proof: AddressProof::Operator,
        now: at(1),
    };
    bed.accounts.promote(promotion).await.unwrap();
    assert!(!is_good(&bed, "v", 1).await);
    assert!(!bed.accounts.reset_password(use_of("v", "mine", 1)).await.unwrap());
    assert_eq!(hash_of(&bed, &ada).await, "newer");
}

/// Who gets hold of an old mail gets in by none of what it holds.
async fn whatever_sets_another_password_ends_every_mailed_way_in(bed: Bed) {
    for how in ["by mail", "by the old password", "by an operator"] {
        let ada = bed.user(&format!("{}@example.com", how.replace(' ', "-"))).await;
        let (sets, link) = (format!("reset {how}"), format!("link {how}"));
        let sign_in = MailToken { purpose: MailPurpose::SignIn, ..reset(&ada, &link, 0) };
        for token in [reset(&ada, &sets, 0), sign_in] {
            assert!(bed.accounts.put_mail_token(token).await.unwrap());
        }
        match how {
            "by mail" => {
                assert!(bed.accounts.reset_password(use_of(&sets, "new", 1)).await.unwrap());
            }
            "by the old password" => {
                let (user, proved_by, now) = (ada.id, "hash".to_owned(), at(1));
                let password_hash = "new".to_owned();
                let change = PasswordChange { user, proved_by, password_hash, now };
                bed.accounts.change_password(change).await.unwrap();
            }
            _ => {
                let (email, proof, now) = (ada.email.clone(), AddressProof::Operator, at(1));
                let password_hash = "new".to_owned();
                let promotion = Promotion { email, password_hash, proof, now };
                bed.accounts.promote(promotion).await.unwrap();
            }
        }
        assert!(!is_good(&bed, &sets, 2).await, "{how}");
        let let_in = bed.accounts.take_sign_in_token(&link, at(2)).await.unwrap();
        assert_eq!(let_in, None, "{how}");
        assert_eq!(hash_of(&bed, &ada).await, "new", "{how}");
    }
}

async fn a_token_verifies_the_address_once(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    for (account, token) in [(&ada, "old"), (&ada, "t"), (&bob, "b")] {
        assert!(bed.accounts.put_mail_token(verification(account, token, 0)).await.unwrap());
    }
    for (token, seconds) in [("old", 1), ("u", 1), ("t", 100)] {
        assert!(!bed.accounts.verify_email(token, at(seconds)).await.unwrap(), "{token}");
    }
    assert_eq!([is_verified(&bed, &ada).await, is_verified(&bed, &bob).await], [false; 2]);
    assert!(bed.kinds().await.is_empty());
    let verified = (0..6).map(|_| {
        let accounts = bed.accounts.clone();
        tokio::spawn(async move { accounts.verify_email("t", at(99)).await.unwrap() })
    });
    let mut times = 0;
    for one in verified.collect::<Vec<_>>() {
        times += usize::from(one.await.unwrap());
    }
    assert_eq!((times, bed.kinds().await), (1, vec!["account_changed".to_owned()]));
    assert_eq!([is_verified(&bed, &ada).await, is_verified(&bed, &bob).await], [true, false]);
    // Nobody is signed out by it.
    let state = bed.accounts.state(ada.id).await.unwrap().unwrap();
    assert_eq!(state.generation, ada.generation);
    bed.disable(bob.id).await;
    assert!(!bed.accounts.verify_email("b", at(1)).await.unwrap());
}

async fn a_token_is_good_for_its_purpose_alone(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    assert!(bed.accounts.put_mail_token(reset(&ada, "r", 0)).await.unwrap());
    assert!(bed.accounts.put_mail_token(verification(&ada, "v", 0)).await.unwrap());
    assert!(!bed.accounts.verify_email("r", at(1)).await.unwrap());
    assert!(!bed.accounts.reset_password(use_of("v", "new", 1)).await.unwrap());
    assert!(!is_good(&bed, "v", 1).await);
    assert!(is_good(&bed, "r", 1).await);
    // Who sets another password by mail has verified the address as well.
    assert!(bed.accounts.reset_password(use_of("r", "new", 1)).await.unwrap());
    assert!(is_verified(&bed, &ada).await);
    assert!(!bed.accounts.verify_email("v", at(1)).await.unwrap());

    // Another password leaves what verifies the address; another address does not.
    let bob = bed.user("bob@example.com").await;
    for (token, is_kept) in [("k", true), ("l", false)] {
        assert!(bed.accounts.put_mail_token(verification(&bob, token, 0)).await.unwrap());
        let proved_by = "hash".to_owned();
        if is_kept {
            let (user, password_hash) = (bob.id, "hash".to_owned());
            let change = PasswordChange { user, proved_by, password_hash, now: at(1) };
            bed.accounts.change_password(change).await.unwrap();
        } else {
            let email = Some(EmailChange { email: "rob@example.com".parse().unwrap(), proved_by });
            let change = ProfileChange { full_name: None, email };
            bed.accounts.update_profile(bob.id, change, at(1)).await.unwrap();
        }
        assert_eq!(bed.accounts.verify_email(token, at(1)).await.unwrap(), is_kept, "{token}");
    }
    assert!(!is_verified(&bed, &bob).await);
}

async fn a_welcome_is_added_with_its_account(bed: Bed) {
    let new = new_account("ada@example.com");
    let job = Job::VerificationRequested { user: new.id };
    let welcome = NewJob::new(job, at(0));
    let created = bed.accounts.create(NewAccount { welcome: Some(welcome), ..new }).await.unwrap();
    let other = new_account("ada@example.com");
    let job = Job::VerificationRequested { user: other.id };
    let welcome = Some(NewJob::new(job, at(0)));
    bed.accounts.create(NewAccount { welcome, ..other }).await.unwrap_err();
    let lease = Lease::generate(&Ids);
    let claim = Claim { lane: Lane::Mail, now: at(1), until: at(9), lease, limit: 10 };
    let held = bed.jobs.claim(claim).await.unwrap();
    let jobs: Vec<_> = held.into_iter().map(|held| held.job).collect();
    assert_eq!(jobs, [Job::VerificationRequested { user: created.id }]);
}

/// Everybody's tokens, however many there are, end by one number; newer ones are good.
async fn what_lets_somebody_in_ends_when_everybody_is_signed_out(bed: Bed) {
    let ada = bed.user("ada@example.com").await;
    let link = |token| MailToken { purpose: MailPurpose::SignIn, ..reset(&ada, token, 0) };
    for token in [reset(&ada, "reset", 0), link("link"), verification(&ada, "verify", 0)] {
        assert!(bed.accounts.put_mail_token(token).await.unwrap());
    }
    bed.accounts.revoke_everybody(at(1)).await.unwrap();
    assert!(!is_good(&bed, "reset", 2).await);
    assert!(!bed.accounts.reset_password(use_of("reset", "new", 2)).await.unwrap());
    assert_eq!(bed.accounts.take_sign_in_token("link", at(2)).await.unwrap(), None);
    assert_eq!(hash_of(&bed, &ada).await, "hash");
    assert!(bed.accounts.verify_email("verify", at(2)).await.unwrap(), "it lets nobody in");
    assert!(bed.accounts.put_mail_token(link("newer")).await.unwrap());
    let owner = bed.accounts.take_sign_in_token("newer", at(3)).await.unwrap().unwrap();
    assert_eq!((owner.id, owner.generation), (ada.id, ada.generation + 1));
    assert!(bed.accounts.put_mail_token(reset(&ada, "newest", 3)).await.unwrap());
    assert!(bed.accounts.reset_password(use_of("newest", "new", 4)).await.unwrap());
}

async fn a_token_of_an_older_release_is_good_until_it_ends(bed: DatabaseBed) {
    let ada = bed.user("ada@example.com").await;
    bed.accounts.revoke_everybody(at(0)).await.unwrap();
    assert!(bed.accounts.put_mail_token(reset(&ada, "t", 0)).await.unwrap());
    bed.execute("UPDATE mail_tokens SET everybody = NULL").await.unwrap();
    assert!(is_good(&bed, "t", 99).await);
    assert!(!is_good(&bed, "t", 100).await);
    assert!(bed.accounts.reset_password(use_of("t", "new", 99)).await.unwrap());
}
