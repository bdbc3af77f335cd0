//! A second factor is pending, then active; each code is spent once, whoever else spends it at that moment.

use alpine_domain::{
    Error, Result,
    account::{
        Account, ActiveFactor, AddressProof, FactorChange, FactorEnabling, FactorProof,
        FactorSignIn, NewChallenge, NewSession, PendingFactor, Promotion, SessionId, SignOut,
        SpentOn,
    },
    audit::{AuditFilter, AuditQuery},
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    a_pending_factor_becomes_active_once,
    an_active_factor_is_not_replaced,
    a_code_is_spent_once,
    of_many_who_spend_a_code_at_once_one_does,
    backup_codes_are_spent_and_replaced,
    nothing_of_a_factor_is_left,
    each_change_of_a_factor_has_its_line,
    a_challenge_is_open_for_so_many_tries,
    of_many_tries_at_once_no_more_than_so_many_count,
    a_challenge_ends_with_what_it_was_made_for,
    a_sign_in_uses_up_code_and_challenge_or_nothing,
    sealed_secrets_are_read_by_user_and_replaced,
);

fn pending(secret: &str) -> PendingFactor {
    let codes = vec![format!("{secret} one").replace(' ', "-"), format!("{secret}-two")];
    PendingFactor { secret: secret.to_owned(), codes, expires_at: at(100) }
}

fn enabling(account: &Account, secret: &str) -> FactorEnabling {
    let (secret, proved_by) = (secret.to_owned(), "hash".to_owned());
    FactorEnabling { user: account.id, proved_by, secret, step: 10, now: at(1) }
}

fn step(secret: &str, step: i64) -> FactorProof {
    FactorProof::Step { secret: secret.to_owned(), step, resealed: None }
}

fn backup(code: &str) -> FactorProof {
    FactorProof::Backup(code.to_owned())
}

fn change(account: &Account, proof: FactorProof, spent_on: SpentOn) -> FactorChange {
    FactorChange {
        user: account.id,
        proved_by: Some("hash".to_owned()),
        proof,
        spent_on,
        now: at(1),
    }
}

fn challenge(account: &Account, token: &str, seconds: i64) -> NewChallenge {
    NewChallenge {
        token_hash: token.to_owned(),
        user: account.id,
        generation: account.generation,
        created_at: at(seconds),
        expires_at: at(seconds + 100),
    }
}

fn sign_in(account: &Account, token: &str, proof: FactorProof) -> FactorSignIn {
    let id = SessionId::generate(at(0), random());
    let session = NewSession {
        id,
        user: account.id,
        generation: account.generation,
        address: None,
        refresh_hash: id.to_string(),
        created_at: at(2),
        expires_at: at(1_000),
    };
    FactorSignIn { token_hash: token.to_owned(), proof, session }
}

async fn with_factor(bed: &Bed, email: &str, secret: &str) -> Account {
    let account = bed.user(email).await;
    assert!(bed.second_factors.put_pending(account.id, pending(secret)).await.unwrap());
    assert!(bed.second_factors.enable(enabling(&account, secret)).await.unwrap());
    account
}

async fn active(bed: &Bed, account: &Account) -> Option<ActiveFactor> {
    bed.second_factors.factor(account.id, at(1)).await.unwrap().active
}

async fn try_out(bed: &Bed, account: &Account, proof: FactorProof) -> bool {
    bed.second_factors.change(change(account, proof, SpentOn::Trying)).await.unwrap()
}

async fn is_open(bed: &Bed, token: &str, seconds: i64) -> bool {
    bed.second_factors.open_challenge(token, at(seconds), 3, false).await.unwrap().is_some()
}

fn is_forbidden<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Forbidden(_)))
}

async fn a_pending_factor_becomes_active_once(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    let factors = &bed.second_factors;
    let empty = factors.factor(ada.id, at(0)).await.unwrap();
    assert_eq!((empty.active, empty.pending), (None, None));
    assert!(!factors.enable(enabling(&ada, "a")).await.unwrap());
    assert!(factors.put_pending(ada.id, pending("a")).await.unwrap());
    assert!(factors.put_pending(bob.id, pending("b")).await.unwrap());
    assert!(factors.put_pending(ada.id, pending("c")).await.unwrap());
    let state = factors.factor(ada.id, at(99)).await.unwrap();
    assert_eq!((state.active, state.pending), (None, Some(pending("c"))));
    assert_eq!(factors.factor(ada.id, at(100)).await.unwrap().pending, None);

    let late = FactorEnabling { now: at(100), ..enabling(&ada, "c") };
    assert!(!factors.enable(late).await.unwrap());
    assert!(!factors.enable(enabling(&ada, "a")).await.unwrap(), "it was replaced");
    let other = FactorEnabling { proved_by: "other".to_owned(), ..enabling(&ada, "c") };
    assert!(is_forbidden(&factors.enable(other).await));
    assert!(factors.enable(enabling(&ada, "c")).await.unwrap());
    let state = factors.factor(ada.id, at(1)).await.unwrap();
    let expected =
        ActiveFactor { secret: "c".to_owned(), last_step: 10, enabled_at: at(1), codes_left: 2 };
    assert_eq!((state.active, state.pending), (Some(expected), None));
    assert!(!factors.enable(enabling(&ada, "c")).await.unwrap());
    assert_eq!(active(&bed, &bob).await, None);
    // Nothing in memory depends on it.
    assert_eq!(bed.kinds().await, [""; 0]);
}

async fn an_active_factor_is_not_replaced(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    assert!(!bed.second_factors.put_pending(ada.id, pending("b")).await.unwrap());
    let state = bed.second_factors.factor(ada.id, at(1)).await.unwrap();
    assert_eq!((state.active.unwrap().secret, state.pending), ("a".to_owned(), None));
}

async fn a_code_is_spent_once(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    for (proof, is_good) in [
        (step("a", 10), false),
        (step("b", 11), false),
        (step("a", 12), true),
        (step("a", 12), false),
        (step("a", 11), false),
        (step("a", 13), true),
    ] {
        assert_eq!(try_out(&bed, &ada, proof.clone()).await, is_good, "{proof:?}");
    }
    let resealed = FactorProof::Step {
        secret: "a".to_owned(),
        step: 14,
        resealed: Some("a, anew".to_owned()),
    };
    assert!(try_out(&bed, &ada, resealed).await);
    assert_eq!(active(&bed, &ada).await.unwrap().secret, "a, anew");
    assert!(!try_out(&bed, &ada, step("a", 15)).await);
    let other = Some("other".to_owned());
    let asked = change(&ada, step("a, anew", 15), SpentOn::Trying);
    let refused = FactorChange { proved_by: other, ..asked.clone() };
    assert!(is_forbidden(&bed.second_factors.change(refused).await));
    let unasked = FactorChange { proved_by: None, ..asked };
    assert!(bed.second_factors.change(unasked).await.unwrap());
}

async fn of_many_who_spend_a_code_at_once_one_does(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    for proof in [step("a", 11), backup("a-one")] {
        let all: Vec<_> = (0..6)
            .map(|_| {
                let factors = bed.second_factors.clone();
                let change = change(&ada, proof.clone(), SpentOn::Trying);
                tokio::spawn(async move { factors.change(change).await.unwrap() })
            })
            .collect();
        let mut done = 0;
        for one in all {
            done += usize::from(one.await.unwrap());
        }
        assert_eq!(done, 1, "{proof:?}");
    }
}

async fn backup_codes_are_spent_and_replaced(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let bob = with_factor(&bed, "bob@example.com", "b").await;
    assert!(!try_out(&bed, &ada, backup("b-one")).await, "it is somebody else's");
    assert!(try_out(&bed, &ada, backup("a-one")).await);
    assert!(!try_out(&bed, &ada, backup("a-one")).await);
    assert_eq!(active(&bed, &ada).await.unwrap().codes_left, 1);
    let codes = SpentOn::Codes(vec!["x".to_owned(), "y".to_owned(), "z".to_owned()]);
    assert!(!bed.second_factors.change(change(&ada, step("a", 10), codes.clone())).await.unwrap());
    assert_eq!(active(&bed, &ada).await.unwrap().codes_left, 1, "nothing is changed");
    assert!(bed.second_factors.change(change(&ada, step("a", 11), codes)).await.unwrap());
    assert_eq!(active(&bed, &ada).await.unwrap().codes_left, 3);
    assert!(!try_out(&bed, &ada, backup("a-two")).await);
    assert!(try_out(&bed, &ada, backup("y")).await);
    assert!(try_out(&bed, &bob, backup("b-two")).await);
}

async fn nothing_of_a_factor_is_left(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let bob = with_factor(&bed, "bob@example.com", "b").await;
    let factors = &bed.second_factors;
    factors.challenge(challenge(&ada, "ada's", 1)).await.unwrap();
    factors.challenge(challenge(&bob, "bob's", 1)).await.unwrap();
    assert!(factors.change(change(&ada, step("a", 11), SpentOn::Disabling)).await.unwrap());
    assert_eq!(active(&bed, &ada).await, None);
    assert!(!try_out(&bed, &ada, backup("a-one")).await);
    assert!(!try_out(&bed, &ada, step("a", 12)).await);
    assert_eq!([is_open(&bed, "ada's", 1).await, is_open(&bed, "bob's", 1).await], [false, true]);
    assert!(!factors.remove(ada.id, at(1)).await.unwrap());
    assert!(factors.remove(bob.id, at(1)).await.unwrap());
    assert!(!is_open(&bed, "bob's", 1).await);

    let eve = with_factor(&bed, "eve@example.com", "e").await;
    let promotion = Promotion {
        email: eve.email.clone(),
        password_hash: "hash".to_owned(),
        proof: AddressProof::Operator,
        now: at(1),
    };
    bed.accounts.promote(promotion).await.unwrap();
    assert_eq!(active(&bed, &eve).await, None);
    // What was pending is gone as well, and what comes after it works.
    let ann = bed.user("ann@example.com").await;
    assert!(factors.put_pending(ann.id, pending("n")).await.unwrap());
    assert!(!factors.remove(ann.id, at(1)).await.unwrap());
    assert!(!factors.enable(enabling(&ann, "n")).await.unwrap());
    assert!(factors.put_pending(ada.id, pending("a")).await.unwrap());
    assert!(factors.enable(enabling(&ada, "a")).await.unwrap());
}

async fn each_change_of_a_factor_has_its_line(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let factors = &bed.second_factors;
    assert!(try_out(&bed, &ada, step("a", 11)).await);
    let codes = SpentOn::Codes(vec!["x".to_owned()]);
    assert!(factors.change(change(&ada, step("a", 12), codes)).await.unwrap());
    assert!(!factors.change(change(&ada, step("a", 12), SpentOn::Disabling)).await.unwrap());
    factors.challenge(challenge(&ada, "t", 0)).await.unwrap();
    assert!(factors.sign_in(sign_in(&ada, "t", step("a", 13))).await.unwrap());
    assert!(factors.change(change(&ada, step("a", 14), SpentOn::Disabling)).await.unwrap());
    assert!(!factors.remove(ada.id, at(2)).await.unwrap());
    assert!(factors.put_pending(ada.id, pending("b")).await.unwrap());
    assert!(factors.enable(enabling(&ada, "b")).await.unwrap());
    assert!(factors.remove(ada.id, at(2)).await.unwrap());
    let query =
        AuditQuery { filter: AuditFilter::All, since: None, until: None, after: None, limit: 100 };
    let mut rows = bed.audit.page(query).await.unwrap();
    rows.sort_by_key(|row| row.id);
    let lines: Vec<_> = rows.iter().map(|row| row.line.action.as_str()).collect();
    let expected = [
        "account_created",
        "second_factor_on",
        "backup_codes_renewed",
        "sign_in",
        "second_factor_off",
        "second_factor_on",
        "second_factor_off",
    ];
    assert_eq!(lines, expected);
    assert!(rows.iter().all(|row| row.line.subject == Some(ada.id.into())));
}

async fn a_challenge_is_open_for_so_many_tries(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let factors = &bed.second_factors;
    factors.challenge(challenge(&ada, "t", 0)).await.unwrap();
    factors.challenge(challenge(&ada, "u", 1)).await.unwrap();
    let open = factors.open_challenge("t", at(99), 3, false).await.unwrap().unwrap();
    assert_eq!((&open.account, open.factor.secret.as_str()), (&ada, "a"));
    assert_eq!([is_open(&bed, "t", 100).await, is_open(&bed, "v", 1).await], [false, false]);
    for is_let_in in [true, true, true, false, false] {
        let tried = factors.open_challenge("t", at(1), 3, true).await.unwrap();
        assert_eq!(tried.is_some(), is_let_in);
    }
    assert_eq!([is_open(&bed, "t", 1).await, is_open(&bed, "u", 1).await], [false, true]);
    assert!(factors.open_challenge("u", at(101), 3, true).await.unwrap().is_none());
    // Those that have ended are deleted by the next one: the same token can stand again.
    factors.challenge(challenge(&ada, "w", 100)).await.unwrap();
    factors.challenge(challenge(&ada, "t", 100)).await.unwrap();
    assert_eq!([is_open(&bed, "t", 101).await, is_open(&bed, "w", 101).await], [true, true]);
}

async fn of_many_tries_at_once_no_more_than_so_many_count(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    bed.second_factors.challenge(challenge(&ada, "t", 0)).await.unwrap();
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let factors = bed.second_factors.clone();
            tokio::spawn(async move { factors.open_challenge("t", at(1), 3, true).await.unwrap() })
        })
        .collect();
    let mut let_in = 0;
    for one in tries {
        let_in += usize::from(one.await.unwrap().is_some());
    }
    assert_eq!(let_in, 3);
}

async fn a_challenge_ends_with_what_it_was_made_for(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let factors = &bed.second_factors;
    factors.challenge(challenge(&ada, "t", 0)).await.unwrap();
    assert!(is_open(&bed, "t", 1).await);
    bed.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
    assert!(!is_open(&bed, "t", 1).await);
    let late = factors.sign_in(sign_in(&ada, "t", step("a", 11))).await;
    assert!(matches!(late, Err(Error::Unauthenticated(_))), "{late:?}");
    assert_eq!(active(&bed, &ada).await.unwrap().last_step, 10, "nothing is changed");

    let ada = bed.accounts.account(ada.id).await.unwrap().unwrap();
    factors.challenge(challenge(&ada, "u", 0)).await.unwrap();
    assert!(is_open(&bed, "u", 1).await);
    bed.accounts.revoke_everybody(at(1)).await.unwrap();
    assert!(!is_open(&bed, "u", 1).await);

    let ada = bed.accounts.account(ada.id).await.unwrap().unwrap();
    factors.challenge(challenge(&ada, "v", 0)).await.unwrap();
    assert!(is_open(&bed, "v", 1).await);
    bed.disable(ada.id).await;
    assert!(!is_open(&bed, "v", 1).await);
    let disabled = factors.sign_in(sign_in(&ada, "v", step("a", 11))).await;
    assert!(matches!(disabled, Err(Error::Unauthenticated(_))), "{disabled:?}");
}

async fn a_sign_in_uses_up_code_and_challenge_or_nothing(bed: Bed) {
    let ada = with_factor(&bed, "ada@example.com", "a").await;
    let factors = &bed.second_factors;
    let sessions = async || bed.accounts.sessions(ada.id, at(2), 10).await.unwrap().len();
    factors.challenge(challenge(&ada, "t", 0)).await.unwrap();
    assert!(!factors.sign_in(sign_in(&ada, "t", step("a", 10))).await.unwrap());
    assert_eq!((sessions().await, is_open(&bed, "t", 1).await), (0, true));
    assert!(factors.sign_in(sign_in(&ada, "t", step("a", 11))).await.unwrap());
    assert_eq!((sessions().await, is_open(&bed, "t", 1).await), (1, false));
    let again = factors.sign_in(sign_in(&ada, "t", step("a", 12))).await;
    assert!(matches!(again, Err(Error::Unauthenticated(_))), "{again:?}");
    assert_eq!((sessions().await, active(&bed, &ada).await.unwrap().last_step), (1, 11));
    // Neither does the challenge of another account.
    let bob = with_factor(&bed, "bob@example.com", "b").await;
    factors.challenge(challenge(&bob, "bob's", 0)).await.unwrap();
    let foreign = factors.sign_in(sign_in(&ada, "bob's", backup("a-one"))).await;
    assert!(foreign.is_err());
    assert_eq!(active(&bed, &ada).await.unwrap().codes_left, 2);
}

async fn sealed_secrets_are_read_by_user_and_replaced(bed: Bed) {
    let mut users = Vec::new();
    for n in 0..3 {
        users.push(with_factor(&bed, &format!("{n}@example.com"), &n.to_string()).await.id);
    }
    let waits = bed.user("waits@example.com").await;
    assert!(bed.second_factors.put_pending(waits.id, pending("w")).await.unwrap());
    let mut expected: Vec<_> =
        users.iter().enumerate().map(|(n, user)| (*user, n.to_string())).collect();
    expected.sort();
    let factors = &bed.second_factors;
    assert_eq!(factors.sealed(None, 10).await.unwrap(), expected);
    assert_eq!(factors.sealed(None, 2).await.unwrap(), expected[..2]);
    assert_eq!(factors.sealed(Some(expected[1].0), 2).await.unwrap(), expected[2..]);
    assert_eq!(factors.sealed(Some(expected[2].0), 2).await.unwrap(), []);
    assert!(!factors.reseal(users[0], "other", "new").await.unwrap());
    assert!(factors.reseal(users[0], "0", "new").await.unwrap());
    assert!(!factors.reseal(waits.id, "w", "new").await.unwrap());
    let sealed = factors.sealed(None, 10).await.unwrap();
    assert_eq!(sealed.iter().filter(|(_, text)| text == "new").count(), 1);
}
