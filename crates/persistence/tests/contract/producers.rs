//! Producers and their keys.

use alpine_domain::{
    Error,
    error::ConflictKind,
    producer::{ProducerId, ProducerStore as _},
};

use crate::support::{Bed, at, on_both};

on_both!(
    producers_are_made_once_and_found_by_key,
    a_configured_key_takes_effect_once,
    three_instances_ensure_the_same_producer,
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
    assert!(!bed.producers.ensure(&name, "k2", false, at(4)).await.unwrap().is_active);
    assert!(bed.producers.ensure(&name, "k3", false, at(5)).await.unwrap().is_active);
    bed.producers.ensure(&"zeus".parse().unwrap(), "k9", false, at(6)).await.unwrap();
    let shared = bed.producers.ensure(&name, "k9", false, at(7)).await;
    assert!(matches!(shared, Err(Error::Conflict(_))), "{shared:?}");
}

async fn three_instances_ensure_the_same_producer(bed: Bed) {
    let instances: Vec<_> = (0..3)
        .map(|_| {
            let producers = bed.producers.clone();
            tokio::spawn(async move {
                producers.ensure(&"argo".parse().unwrap(), "k", false, at(0)).await.unwrap()
            })
        })
        .collect();
    for instance in instances {
        instance.await.unwrap();
    }
    assert_eq!(bed.producers.list().await.unwrap().len(), 1);
    assert_eq!(bed.kinds().await, ["producers_changed"]);
}
