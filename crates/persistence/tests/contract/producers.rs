//! Producers and their keys.

use std::sync::Arc;

use alpine_domain::{
    Error,
    error::ConflictKind,
    producer::{ProducerId, ProducerStore as _},
};
use alpine_persistence::Producers;
use tokio::sync::Barrier;

use crate::support::{Bed, DatabaseBed, at, on_every};

on_every!(
    producers_are_made_once_and_found_by_key,
    a_configured_key_takes_effect_once,
    a_key_belongs_to_one_producer,
    an_old_key_is_good_until_its_end_and_the_one_before_is_not,
    a_key_that_was_rotated_out_is_not_brought_back,
    a_disabled_producer_has_no_key_at_all;
    databases:
    many_instances_ensure_the_same_producers,
);

async fn producers_are_made_once_and_found_by_key(bed: Bed) {
    let name = "argo".parse().unwrap();
    let argo = bed.producers.create(&name, "k1", true, at(0)).await.unwrap();
    assert!(argo.is_active && argo.is_simulated);
    let again = bed.producers.create(&name, "k2", false, at(1)).await;
    assert!(matches!(again, Err(Error::Conflict(c)) if c.kind == ConflictKind::ProducerExists));
    assert_eq!(bed.producers.by_key_hash("k1").await.unwrap(), Some(argo.clone()));
    let zeus = bed.producers.create(&"zeus".parse().unwrap(), "k3", false, at(2)).await.unwrap();
    assert_eq!(bed.producers.list().await.unwrap(), [argo.clone(), zeus]);
    bed.producers.disable(argo.id, at(3)).await.unwrap();
    assert_eq!(bed.producers.by_key_hash("k1").await.unwrap(), None);
    let missing = bed.producers.disable(ProducerId::new(999), at(3)).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert_eq!(bed.kinds().await, ["producers_changed"; 3]);
}

async fn a_configured_key_takes_effect_once(bed: Bed) {
    let name = "argo".parse().unwrap();
    let first = bed.producers.ensure(&name, "k1", false, at(0)).await.unwrap();
    assert_eq!(bed.producers.ensure(&name, "k1", false, at(1)).await.unwrap(), first);
    assert_eq!(bed.kinds().await.len(), 1);
    bed.producers.ensure(&name, "k2", false, at(2)).await.unwrap();
    assert_eq!(bed.producers.by_key_hash("k1").await.unwrap(), None);
    assert_eq!(bed.producers.by_key_hash("k2").await.unwrap(), Some(first.clone()));
    // A restart with the same key does not enable what was disabled; another key does.
    bed.producers.disable(first.id, at(3)).await.unwrap();
    for is_simulated in [false, true] {
        let again = bed.producers.ensure(&name, "k2", is_simulated, at(4)).await.unwrap();
        assert_eq!((again.is_active, again.is_simulated), (false, is_simulated));
    }
    assert!(bed.producers.ensure(&name, "k3", false, at(5)).await.unwrap().is_active);
    bed.producers.ensure(&"zeus".parse().unwrap(), "k9", false, at(6)).await.unwrap();
    let shared = bed.producers.ensure(&name, "k9", false, at(7)).await;
    assert!(matches!(shared, Err(Error::Conflict(c)) if c.kind == ConflictKind::ProducerExists));
}

async fn an_old_key_is_good_until_its_end_and_the_one_before_is_not(bed: Bed) {
    let argo = bed.producers.create(&"argo".parse().unwrap(), "k1", false, at(0)).await.unwrap();
    bed.producers.create(&"zeus".parse().unwrap(), "z1", false, at(0)).await.unwrap();
    assert_eq!(bed.producers.by_old_key_hash("k1").await.unwrap(), None);
    let before = bed.kinds().await.len();
    let rotated = bed.producers.rotate(argo.id, "k2", at(50), at(10)).await.unwrap();
    assert_eq!(rotated, argo);
    assert_eq!(bed.kinds().await[before..], ["producers_changed"]);
    assert_eq!(bed.producers.by_key_hash("k1").await.unwrap(), None);
    assert_eq!(bed.producers.by_key_hash("k2").await.unwrap(), Some(argo.clone()));
    let old = bed.producers.by_old_key_hash("k1").await.unwrap();
    assert_eq!(old, Some((argo.clone(), at(50))));
    assert_eq!(bed.producers.old_keys(at(49)).await.unwrap(), [(argo.id, at(50))]);
    assert_eq!(bed.producers.old_keys(at(50)).await.unwrap(), []);
    bed.producers.rotate(argo.id, "k3", at(60), at(20)).await.unwrap();
    assert_eq!(bed.producers.by_old_key_hash("k1").await.unwrap(), None);
    assert!(bed.producers.by_old_key_hash("k2").await.unwrap().is_some());
    let missing = bed.producers.rotate(ProducerId::new(999), "k9", at(1), at(1)).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert!(bed.producers.by_key_hash("z1").await.unwrap().is_some());
}

/// A configuration that still names the old key changes nothing at the next start, also long after.
async fn a_key_that_was_rotated_out_is_not_brought_back(bed: Bed) {
    let name = "argo".parse().unwrap();
    let argo = bed.producers.ensure(&name, "k1", false, at(0)).await.unwrap();
    bed.producers.rotate(argo.id, "k2", at(50), at(10)).await.unwrap();
    for seconds in [20, 50, 5_000] {
        bed.producers.ensure(&name, "k1", false, at(seconds)).await.unwrap();
        assert_eq!(bed.producers.by_key_hash("k1").await.unwrap(), None);
        assert_eq!(bed.producers.by_key_hash("k2").await.unwrap(), Some(argo.clone()));
    }
    bed.producers.ensure(&name, "k3", false, at(6_000)).await.unwrap();
    assert_eq!(bed.producers.by_key_hash("k3").await.unwrap(), Some(argo));
}

async fn a_disabled_producer_has_no_key_at_all(bed: Bed) {
    let argo = bed.producers.create(&"argo".parse().unwrap(), "k1", false, at(0)).await.unwrap();
    bed.producers.rotate(argo.id, "k2", at(50), at(10)).await.unwrap();
    bed.producers.disable(argo.id, at(11)).await.unwrap();
    assert_eq!(bed.producers.by_key_hash("k2").await.unwrap(), None);
    assert_eq!(bed.producers.by_old_key_hash("k1").await.unwrap(), None);
    bed.producers.enable(argo.id, at(12)).await.unwrap();
    assert_eq!(bed.producers.by_key_hash("k2").await.unwrap(), Some(argo));
    assert!(bed.producers.by_old_key_hash("k1").await.unwrap().is_some());
    let missing = bed.producers.enable(ProducerId::new(999), at(3)).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
}

/// Each instance has a pool of its own, and all start at the same moment, many times: none may fail,
/// whichever unique column its insert collides on.
async fn many_instances_ensure_the_same_producers(bed: DatabaseBed) {
    const INSTANCES: usize = 6;
    const ROUNDS: usize = 25;
    let instances: Vec<_> = (0..INSTANCES).map(|_| Producers::new(bed.another(|_| ()))).collect();
    for producers in &instances {
        producers.list().await.unwrap();
    }
    for round in 0..ROUNDS {
        let start = Arc::new(Barrier::new(INSTANCES));
        let starting: Vec<_> = instances
            .iter()
            .map(|producers| {
                let (producers, start) = (producers.clone(), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    let name = format!("producer{round}").parse().unwrap();
                    producers.ensure(&name, &format!("key {round}"), false, at(0)).await
                })
            })
            .collect();
        for instance in starting {
            let producer = instance.await.unwrap().unwrap();
            assert_eq!(producer.name.as_str(), format!("producer{round}"));
        }
    }
    assert_eq!(bed.producers.list().await.unwrap().len(), ROUNDS);
    assert_eq!(bed.kinds().await, vec!["producers_changed"; ROUNDS], "each was made once");
}

/// Two names that race for one key: one gets it, the other is told so.
async fn a_key_belongs_to_one_producer(bed: Bed) {
    bed.producers.create(&"argo".parse().unwrap(), "k", false, at(0)).await.unwrap();
    let zeus = "zeus".parse().unwrap();
    for refused in [
        bed.producers.create(&zeus, "k", false, at(1)).await,
        bed.producers.ensure(&zeus, "k", false, at(1)).await,
    ] {
        let Err(Error::Conflict(conflict)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(conflict.kind, ConflictKind::ProducerExists);
        assert_eq!(conflict.detail, "another producer has this key; give each producer its own");
    }
    assert_eq!(bed.producers.list().await.unwrap().len(), 1);
}
