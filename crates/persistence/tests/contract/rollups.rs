//! Sums are what a count gives, whoever writes at once, and a rebuild in the middle changes nothing of that.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        AccountChange, AccountChanges, Deletion, ImportedAccount, NewAccount, NewSession, Role,
        SessionId, Tier, UserId,
    },
    analytics::{Day, Rollup, RollupKey, RollupName},
    audit::{Action, AuditFilter, AuditQuery},
    producer::Producer,
    use_cases::Stores,
};

use crate::support::{Bed, at, new_account, on_every, random, signal};

on_every!(
    at_rest_every_sum_is_what_a_count_gives,
    each_cause_adds_to_its_sum,
    a_wrong_sum_is_told_and_corrected,
    who_was_active_counts_on_the_last_day_alone,
    days_before_1970_are_days,
    only_the_days_that_are_asked_for_are_read,
);

const DAY: i64 = 86_400;

/// Pseudo-random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

fn address() -> String {
    format!("user{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn imported(created_at: Timestamp, tier: Tier) -> ImportedAccount {
    let new = new_account(&address());
    ImportedAccount {
        id: new.id,
        email: new.email,
        full_name: new.full_name,
        password_hash: new.password_hash,
        tier,
        is_active: true,
        is_verified: false,
        created_at,
        stripe_customer_id: None,
    }
}

async fn sign_in(stores: &Stores, user: UserId, created_at: Timestamp) -> Result<()> {
    let Some(state) = stores.accounts.state(user).await? else { return Ok(()) };
    let id = SessionId::generate(at(0), random());
    let session = NewSession {
        id,
        user,
        generation: state.generation,
        address: None,
        refresh_hash: id.to_string(),
        created_at,
        expires_at: created_at.later(std::time::Duration::from_hours(1)),
    };
    stores.accounts.open_session(session).await
}

async fn delete(stores: &Stores, user: UserId) -> Result<()> {
    let (now, proved_by) = (at(9), "hash".to_owned());
    let deletion = Deletion { user, proved_by, now, erase_at: at(99), jobs: Vec::new() };
    stores.deletions.delete(deletion).await
}

/// One step of a writer. That another one ended the account meanwhile is no failure.
async fn step(stores: &Stores, argo: &Producer, users: &[UserId], random: &mut Random) {
    let (user, tier) = (random.one(users), random.one(Tier::ALL));
    let instant = at(i64::try_from(random.below(4)).unwrap() * DAY);
    let done = match random.below(8) {
        0 => {
            let account = NewAccount { tier, created_at: instant, ..new_account(&address()) };
            stores.accounts.create(account).await.map(|_| ())
        }
        1 => {
            let changes = AccountChanges { tier: Some(tier), is_active: Some(random.below(4) > 0) };
            let change = AccountChange { user, changes, reason: None, now: instant };
            stores.administration.change(change).await.map(|_| ())
        }
        2 => delete(stores, user).await,
        3 => sign_in(stores, user, instant).await,
        4 => stores.rollups.note_active(users.to_vec(), Day::of(instant)).await,
        5 => stores.imports.import(vec![imported(instant, tier)], at(0)).await.map(|_| ()),
        6 => stores.accounts.set_tier_and_role(user, tier, Role::User, instant).await.map(|_| ()),
        _ => {
            let signals = (0..3).map(|_| {
                let id = format!("SIG-{}", NEXT.fetch_add(1, Ordering::Relaxed));
                signal(argo, &id, i64::try_from(random.below(3)).unwrap() * DAY)
            });
            stores.signals.accept(signals.collect()).await.map(|_| ())
        }
    };
    match done {
        Ok(()) | Err(Error::NotFound(_) | Error::Forbidden(_) | Error::Unauthenticated(_)) => {}
        Err(error) => panic!("{error:?}"),
    }
}

async fn at_rest_every_sum_is_what_a_count_gives(bed: Bed) {
    let argo = bed.producer().await;
    for seed in 0..50_u64 {
        let mut users = Vec::new();
        for _ in 0..4 {
            users.push(bed.user(&address()).await.id);
        }
        let (stores, users) = (Arc::new((*bed).clone()), Arc::new(users));
        let writers = (0..4).map(|writer| {
            let (stores, users, argo) = (stores.clone(), users.clone(), argo.clone());
            tokio::spawn(async move {
                let mut random = Random(seed * 4 + writer + 1);
                for _ in 0..6 {
                    step(&stores, &argo, &users, &mut random).await;
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        // Nothing is wrong at any moment, so there is nothing to correct.
        let corrected = bed.rollups.recount(Some(at(0))).await.unwrap();
        assert_eq!(corrected, [], "seed {seed}, in the middle");
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(bed.rollups.recount(None).await.unwrap(), [], "seed {seed}");
    }
    let sums = bed.rollups.since(Day::of(at(0))).await.unwrap();
    assert!(sums.len() > 8, "{sums:?}");
    assert!(sums.iter().all(|sum| sum.value >= 0), "{sums:?}");
}

async fn sum(bed: &Bed, key: &RollupKey) -> i64 {
    let rows = bed.rollups.since(key.day).await.unwrap();
    let is_it =
        |row: &&Rollup| (row.day, row.name, row.key.as_str()) == (key.day, key.name, key.key);
    rows.iter().find(is_it).map_or(0, |row| row.value)
}

async fn each_cause_adds_to_its_sum(bed: Bed) {
    let (free, pro) = (RollupKey::users(Tier::Free), RollupKey::users(Tier::Pro));
    let today = Day::of(at(0));
    let made = RollupKey::of(RollupName::SignUps, today);
    let ada = bed.user("ada@example.com").await;
    assert_eq!((sum(&bed, &free).await, sum(&bed, &made).await), (1, 1));
    let changes = AccountChanges { tier: Some(Tier::Pro), is_active: None };
    let change = AccountChange { user: ada.id, changes, reason: None, now: at(1) };
    bed.administration.change(change.clone()).await.unwrap();
    bed.administration.change(change).await.unwrap();
    assert_eq!((sum(&bed, &free).await, sum(&bed, &pro).await), (0, 1));
    bed.session(ada.id, "refresh").await;
    let active = RollupKey::of(RollupName::Active, today);
    assert_eq!(sum(&bed, &active).await, 1);
    delete(&bed, ada.id).await.unwrap();
    assert_eq!((sum(&bed, &pro).await, sum(&bed, &active).await), (0, 0));
    assert_eq!(sum(&bed, &made).await, 1, "it was made all the same");
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "one", 0), signal(&argo, "two", DAY)]).await;
    bed.signals.accept(vec![signal(&argo, "one", 0)]).await.unwrap();
    for day in [today, Day::of(at(DAY))] {
        assert_eq!(sum(&bed, &RollupKey::signals(day, false)).await, 1);
        assert_eq!(sum(&bed, &RollupKey::signals(day, true)).await, 0);
    }
}

async fn a_wrong_sum_is_told_and_corrected(bed: Bed) {
    bed.user("ada@example.com").await;
    let (free, lost) = (RollupKey::users(Tier::Free), RollupKey::users(Tier::Elite));
    let asked = RollupKey::of(RollupName::Requests, Day::of(at(0)));
    let wrong = vec![(free.clone(), 4), (lost.clone(), 2), (asked.clone(), 7)];
    bed.rollups.add(wrong).await.unwrap();
    for repaired_at in [None, Some(at(1))] {
        let differences = bed.rollups.recount(repaired_at).await.unwrap();
        let told: Vec<_> = differences
            .iter()
            .map(|it| (it.counted.key.as_str(), it.counted.value, it.stored))
            .collect();
        assert_eq!(told, [("elite", 0, 2), ("free", 1, 5)]);
    }
    assert_eq!(bed.rollups.recount(None).await.unwrap(), []);
    let sums = (sum(&bed, &free).await, sum(&bed, &lost).await, sum(&bed, &asked).await);
    assert_eq!(sums, (1, 0, 7), "requests are counted for nothing else");
    let filter = AuditFilter::Action(Action::FiguresRebuilt);
    let query = AuditQuery { filter, since: None, until: None, after: None, limit: 9 };
    let lines = bed.audit.page(query).await.unwrap();
    let details: Vec<_> = lines.iter().map(|row| row.line.detail.as_deref()).collect();
    assert_eq!(details, [Some("2 sums")]);
}

async fn who_was_active_counts_on_the_last_day_alone(bed: Bed) {
    let (ada, bob) = (bed.user("ada@example.com").await, bed.user("bob@example.com").await);
    let today = Day::of(at(0));
    let tomorrow = today.earlier(-1);
    let counts = async || {
        let of = |day| RollupKey::of(RollupName::Active, day);
        (sum(&bed, &of(today)).await, sum(&bed, &of(tomorrow)).await)
    };
    let nobody = UserId::generate(at(0), [9; 10]);
    bed.rollups.note_active(vec![bob.id, nobody, ada.id], today).await.unwrap();
    assert_eq!(counts().await, (2, 0));
    bed.rollups.note_active(vec![ada.id], tomorrow).await.unwrap();
    bed.rollups.note_active(vec![ada.id, bob.id], today).await.unwrap();
    assert_eq!(counts().await, (1, 1), "nobody goes back");
    bed.disable(bob.id).await;
    bed.rollups.note_active(vec![bob.id], tomorrow).await.unwrap();
    assert_eq!(counts().await, (1, 1), "who is disabled is passed over");
}

async fn days_before_1970_are_days(bed: Bed) {
    let instants = [-1, -DAY, -DAY - 1, 0, DAY - 1];
    let accounts = instants.map(|seconds| imported(Timestamp::from_seconds(seconds), Tier::Free));
    bed.imports.import(accounts.to_vec(), at(0)).await.unwrap();
    assert_eq!(bed.rollups.recount(None).await.unwrap(), []);
    let mut counts = Vec::new();
    for day in [-2, -1] {
        counts.push(sum(&bed, &RollupKey::of(RollupName::SignUps, Day::new(day))).await);
    }
    assert_eq!(counts, [1, 2]);
}

async fn only_the_days_that_are_asked_for_are_read(bed: Bed) {
    let day = Day::of(at(0));
    for back in 0..5 {
        let key = RollupKey::of(RollupName::Requests, day.earlier(back));
        bed.rollups.add(vec![(key, back + 1)]).await.unwrap();
    }
    bed.rollups.add(vec![(RollupKey::users(Tier::Pro), 3)]).await.unwrap();
    let mut rows = bed.rollups.since(day.earlier(2)).await.unwrap();
    rows.sort();
    let values: Vec<_> = rows.iter().map(|row| row.value).collect();
    assert_eq!(values, [3, 3, 2, 1]);
}
