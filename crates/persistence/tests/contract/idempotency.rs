//! A request that names a key is answered by one, and its answer is kept for a day.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    idempotency::{Begun, Fingerprint, KEPT_FOR, KeptAnswer, KeyOwner, NewRequest},
    jobs::Lease,
    ports::secrets::Randomness,
    producer::ProducerId,
    retention::{Due, Positions},
};

use crate::support::{Bed, at, on_every, random};

on_every!(
    the_first_request_is_answered_and_the_same_one_gets_its_answer,
    another_request_under_the_same_key_is_told_apart,
    a_key_is_its_owners,
    who_gave_up_or_lost_the_request_changes_nothing,
    a_request_that_nobody_answers_goes_to_another_at_the_end_of_its_time,
    a_key_is_free_after_a_day,
    of_twenty_at_once_one_runs,
    what_began_a_day_ago_is_deleted,
);

struct Ids;

impl Randomness for Ids {
    fn fill(&self, buffer: &mut [u8]) {
        let bytes = random();
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

fn producer(number: i64) -> KeyOwner {
    KeyOwner::Producer(ProducerId::new(number))
}

/// A request of producer 1 under the key `k`, held for a minute.
fn request(body: &str, now: Timestamp) -> NewRequest {
    NewRequest {
        owner: producer(1),
        key: "k".parse().unwrap(),
        fingerprint: Fingerprint::of("POST", "/a", body.as_bytes()),
        lease: Lease::generate(&Ids),
        now,
        until: now.later(Duration::from_mins(1)),
    }
}

fn answer(body: &str) -> KeptAnswer {
    KeptAnswer {
        status: 201,
        media_type: Some("application/json".to_owned()),
        location: Some("/api/v1/signals/7".to_owned()),
        body: body.to_owned(),
    }
}

async fn begin(bed: &Bed, request: &NewRequest) -> Begun {
    bed.idempotency.begin(request.clone()).await.unwrap()
}

async fn finish(bed: &Bed, request: &NewRequest, body: &str) -> bool {
    let NewRequest { owner, key, lease, .. } = request;
    bed.idempotency.finish(*owner, key, *lease, answer(body)).await.unwrap()
}

async fn give_up(bed: &Bed, request: &NewRequest) {
    let NewRequest { owner, key, lease, .. } = request;
    bed.idempotency.give_up(*owner, key, *lease).await.unwrap();
}

async fn the_first_request_is_answered_and_the_same_one_gets_its_answer(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    assert_eq!(begin(&bed, &request("a", at(1))).await, Begun::Running);
    assert!(finish(&bed, &first, "stored").await);
    for seconds in [1, 100, 86_399] {
        let again = begin(&bed, &request("a", at(seconds))).await;
        assert_eq!(again, Begun::Replay(answer("stored")), "{seconds}");
    }
    let without = KeptAnswer { status: 204, media_type: None, location: None, body: String::new() };
    let other = NewRequest { key: "other".parse().unwrap(), ..request("a", at(0)) };
    assert_eq!(begin(&bed, &other).await, Begun::Run);
    let finished = bed.idempotency.finish(other.owner, &other.key, other.lease, without.clone());
    assert!(finished.await.unwrap());
    assert_eq!(begin(&bed, &other).await, Begun::Replay(without));
}

async fn another_request_under_the_same_key_is_told_apart(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    // While it is answered, when nobody answers it any more, and once it was.
    assert_eq!(begin(&bed, &request("b", at(1))).await, Begun::Other);
    assert_eq!(begin(&bed, &request("b", at(61))).await, Begun::Other);
    assert!(finish(&bed, &first, "stored").await);
    assert_eq!(begin(&bed, &request("b", at(1))).await, Begun::Other);
}

async fn a_key_is_its_owners(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    let user = KeyOwner::User("01a21a97-ae57-7e6b-b7ab-099b4d704242".parse().unwrap());
    for owner in [producer(11), user] {
        let other = NewRequest { owner, ..request("b", at(0)) };
        assert_eq!(begin(&bed, &other).await, Begun::Run, "{owner}");
    }
}

async fn who_gave_up_or_lost_the_request_changes_nothing(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    give_up(&bed, &first).await;
    assert!(!finish(&bed, &first, "late").await);
    let second = request("b", at(1));
    assert_eq!(begin(&bed, &second).await, Begun::Run, "the key is free for any request");
    assert!(!finish(&bed, &first, "late").await);
    give_up(&bed, &first).await;
    assert_eq!(begin(&bed, &request("b", at(2))).await, Begun::Running);
    assert!(finish(&bed, &second, "stored").await);
    give_up(&bed, &second).await;
    assert_eq!(begin(&bed, &request("b", at(2))).await, Begun::Replay(answer("stored")));
}

async fn a_request_that_nobody_answers_goes_to_another_at_the_end_of_its_time(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    assert_eq!(begin(&bed, &request("a", at(59))).await, Begun::Running);
    let second = request("a", at(60));
    assert_eq!(begin(&bed, &second).await, Begun::Run);
    assert!(!finish(&bed, &first, "of the first").await);
    assert_eq!(begin(&bed, &request("a", at(119))).await, Begun::Running, "held anew");
    assert!(finish(&bed, &second, "of the second").await);
    assert_eq!(begin(&bed, &request("a", at(120))).await, Begun::Replay(answer("of the second")));
}

async fn a_key_is_free_after_a_day(bed: Bed) {
    let first = request("a", at(0));
    assert_eq!(begin(&bed, &first).await, Begun::Run);
    assert!(finish(&bed, &first, "stored").await);
    let day = i64::try_from(KEPT_FOR.as_secs()).unwrap();
    assert_eq!(begin(&bed, &request("b", at(day - 1))).await, Begun::Other);
    let second = request("b", at(day));
    assert_eq!(begin(&bed, &second).await, Begun::Run);
    assert_eq!(begin(&bed, &request("b", at(day))).await, Begun::Running, "the old answer is gone");
    assert!(finish(&bed, &second, "anew").await);
    assert_eq!(begin(&bed, &request("b", at(day + 1))).await, Begun::Replay(answer("anew")));
}

async fn of_twenty_at_once_one_runs(bed: Bed) {
    let requests = (0..20).map(|_| {
        let (store, request) = (bed.idempotency.clone(), request("a", at(0)));
        tokio::spawn(async move { store.begin(request).await.unwrap() })
    });
    let mut runs = 0;
    for begun in requests.collect::<Vec<_>>() {
        match begun.await.unwrap() {
            Begun::Run => runs += 1,
            other => assert_eq!(other, Begun::Running),
        }
    }
    assert_eq!(runs, 1);
}

async fn what_began_a_day_ago_is_deleted(bed: Bed) {
    let day = i64::try_from(KEPT_FOR.as_secs()).unwrap();
    for (key, seconds) in [("a", 0), ("b", 1), ("c", 2)] {
        let request = NewRequest { key: key.parse().unwrap(), ..request("", at(seconds)) };
        assert_eq!(begin(&bed, &request).await, Begun::Run);
    }
    let due = Due {
        sessions: Timestamp::MIN,
        api_keys: Timestamp::MIN,
        failed_jobs: Timestamp::MIN,
        audit: Timestamp::MIN,
        notifications: Timestamp::MIN,
        now: at(day + 1),
        from: Positions::default(),
    };
    let (deleted, _) = bed.retention.delete_chunk(due).await.unwrap();
    assert_eq!((deleted.keyed_requests, deleted.rows()), (2, 2));
    for (key, begun) in [("a", Begun::Run), ("c", Begun::Other)] {
        let other = NewRequest { key: key.parse().unwrap(), ..request("other", at(day + 1)) };
        assert_eq!(begin(&bed, &other).await, begun, "{key}");
    }
}
