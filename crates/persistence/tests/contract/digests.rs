//! Who gets digests, and when: each that is due is a job once.

use alpine_domain::{
    Error,
    account::UserId,
    jobs::{Claim, Job, Lane, Lease},
    notification::DigestEvery,
    ports::secrets::Randomness,
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    a_choice_holds_until_another_one,
    what_is_due_is_a_job_once_and_moves_on,
    the_longest_due_come_first_and_no_more_than_asked_for,
    of_two_who_look_at_once_each_digest_is_found_by_one,
);

const DAY: i64 = 86_400;

struct Ids;

impl Randomness for Ids {
    fn fill(&self, buffer: &mut [u8]) {
        let bytes = random();
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

async fn set(bed: &Bed, user: UserId, every: Option<DigestEvery>, seconds: i64) {
    bed.digests.set(user, every, at(seconds)).await.unwrap();
}

/// Whose jobs were added, and what they cover, in seconds.
async fn jobs(bed: &Bed, seconds: i64) -> Vec<(UserId, i64, i64)> {
    let (now, lease) = (at(seconds), Lease::generate(&Ids));
    let claim =
        Claim { lane: Lane::Digests, now, until: at(i64::MAX / 10_000_000), lease, limit: 100 };
    let claimed = bed.jobs.claim(claim).await.unwrap();
    let first = at(0).seconds();
    let covered = claimed.into_iter().map(|claimed| match claimed.job {
        Job::DigestDue { user, since, until } => {
            (user, since.seconds() - first, until.seconds() - first)
        }
        other => panic!("{other:?}"),
    });
    covered.collect()
}

async fn a_choice_holds_until_another_one(bed: Bed) {
    let ada = bed.user("ada@example.com").await.id;
    assert_eq!(bed.digests.every(ada).await.unwrap(), None);
    for every in [Some(DigestEvery::Week), Some(DigestEvery::Day), None, None] {
        set(&bed, ada, every, 0).await;
        assert_eq!(bed.digests.every(ada).await.unwrap(), every);
    }
    let nobody = UserId::generate(at(0), random());
    let refused = bed.digests.set(nobody, Some(DigestEvery::Day), at(0)).await;
    assert!(matches!(refused, Err(Error::NotFound("account"))));
    assert_eq!(bed.digests.every(nobody).await.unwrap(), None);
}

async fn what_is_due_is_a_job_once_and_moves_on(bed: Bed) {
    let ada = bed.user("ada@example.com").await.id;
    let add = async |seconds| bed.digests.add_due(at(seconds), 10).await.unwrap();
    set(&bed, ada, Some(DigestEvery::Day), 0).await;
    // The same choice again moves nothing.
    set(&bed, ada, Some(DigestEvery::Day), 1_000).await;
    assert_eq!(add(DAY - 1).await, 0);
    assert_eq!(add(DAY).await, 1);
    assert_eq!(jobs(&bed, DAY).await, [(ada, 0, DAY)]);
    assert_eq!(add(DAY).await, 0);
    assert_eq!(add(2 * DAY - 1).await, 0);
    // Late, and after two were missed: one job, and the next one at the same time of the day.
    assert_eq!(add(4 * DAY + 5).await, 1);
    assert_eq!(jobs(&bed, 4 * DAY + 5).await, [(ada, DAY, 4 * DAY + 5)]);
    assert_eq!(add(5 * DAY - 1).await, 0);
    assert_eq!(add(5 * DAY).await, 1);
    // It begins where the one before ended, so that nothing is mailed twice or left out.
    assert_eq!(jobs(&bed, 5 * DAY).await, [(ada, 4 * DAY + 5, 5 * DAY)]);
    // Another choice counts from its own time on.
    set(&bed, ada, Some(DigestEvery::Week), 5 * DAY + 9).await;
    assert_eq!(add(12 * DAY + 8).await, 0);
    assert_eq!(add(12 * DAY + 9).await, 1);
    assert_eq!(jobs(&bed, 12 * DAY + 9).await, [(ada, 5 * DAY + 9, 12 * DAY + 9)]);
    set(&bed, ada, None, 13 * DAY).await;
    assert_eq!(add(99 * DAY).await, 0);
}

async fn the_longest_due_come_first_and_no_more_than_asked_for(bed: Bed) {
    let mut users = Vec::new();
    for (name, seconds) in [("a", 2), ("b", 0), ("c", 1), ("d", 3)] {
        let user = bed.user(&format!("{name}@example.com")).await.id;
        set(&bed, user, Some(DigestEvery::Day), seconds).await;
        users.push(user);
    }
    assert_eq!(bed.digests.add_due(at(DAY + 2), 2).await.unwrap(), 2);
    let first: Vec<_> = jobs(&bed, DAY + 2).await.into_iter().map(|(user, ..)| user).collect();
    assert_eq!(first, [users[1], users[2]]);
    assert_eq!(bed.digests.add_due(at(DAY + 2), 2).await.unwrap(), 1);
    assert_eq!(jobs(&bed, DAY + 2).await, [(users[0], 2, DAY + 2)]);
}

async fn of_two_who_look_at_once_each_digest_is_found_by_one(bed: Bed) {
    for n in 0..20 {
        let user = bed.user(&format!("u{n}@example.com")).await.id;
        set(&bed, user, Some(DigestEvery::Day), 0).await;
    }
    let look = || {
        let store = bed.digests.clone();
        tokio::spawn(async move { store.add_due(at(DAY), 100).await })
    };
    let (one, other) = (look(), look());
    // One of two that lock the same rows may be refused; its task looks again.
    let found = [one.await.unwrap(), other.await.unwrap()].map(|it| it.unwrap_or(0));
    bed.digests.add_due(at(DAY), 100).await.unwrap();
    assert!(found.iter().any(|found| *found > 0), "{found:?}");
    let mut users: Vec<_> = jobs(&bed, DAY).await.into_iter().map(|(user, ..)| user).collect();
    assert_eq!(users.len(), 20);
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), 20);
}
