//! Producers and their keys.

use alpine_domain::{
    Error, Result, Timestamp,
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
    producer::{Producer, ProducerId, ProducerName, ProducerStore},
};
use async_trait::async_trait;

use crate::{Memory, Unit, tables::ProducerRow};

fn conflict(detail: impl Into<String>) -> Error {
    Error::conflict(ConflictKind::ProducerExists, detail)
}

/// Fails when another producer has the key.
fn check_key(unit: &Unit, name: &ProducerName, key_hash: &str) -> Result<()> {
    let mut others = unit.tables.producers.iter().filter(|row| row.producer.name != *name);
    if others.any(|row| row.key_hash == key_hash) {
        return Err(conflict("another producer has this key; give each producer its own"));
    }
    Ok(())
}

fn insert(
    unit: &mut Unit,
    name: &ProducerName,
    key_hash: &str,
    is_simulated: bool,
    now: Timestamp,
) -> Result<Producer> {
    let id = i64::try_from(unit.tables.producers.len() + 1).map_err(Error::internal)?;
    let producer = Producer {
        id: ProducerId::new(id),
        name: name.clone(),
        is_simulated,
        is_active: true,
        created_at: now,
    };
    let row = ProducerRow { producer: producer.clone(), key_hash: key_hash.to_owned(), old: None };
    unit.tables.producers.push(row);
    unit.audit(Entry::new(now, Action::ProducerCreated).on(producer.id));
    unit.log(now, Event::ProducersChanged)?;
    Ok(producer)
}

#[async_trait]
impl ProducerStore for Memory {
    async fn create(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer> {
        self.write(|unit| {
            check_key(unit, name, key_hash)?;
            if unit.tables.producers.iter().any(|row| row.producer.name == *name) {
                return Err(conflict(format!("a producer named {name} exists")));
            }
            insert(unit, name, key_hash, is_simulated, now)
        })
    }

    /// A disabled producer is enabled by another key, never by the one it had.
    async fn ensure(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer> {
        self.write(|unit| {
            check_key(unit, name, key_hash)?;
            let mut rows = unit.tables.producers.iter_mut();
            let Some(row) = rows.find(|row| row.producer.name == *name) else {
                return insert(unit, name, key_hash, is_simulated, now);
            };
            let has_key = row.key_hash == key_hash;
            if row.old.as_ref().is_some_and(|(old, _)| old == key_hash) {
                return Ok(row.producer.clone());
            }
            let is_same = has_key && row.producer.is_simulated == is_simulated;
            key_hash.clone_into(&mut row.key_hash);
            row.producer.is_simulated = is_simulated;
            row.producer.is_active |= !has_key;
            let producer = row.producer.clone();
            if !has_key {
                unit.audit(Entry::new(now, Action::ProducerKeyRotated).on(producer.id));
            }
            if !is_same {
                unit.log(now, Event::ProducersChanged)?;
            }
            Ok(producer)
        })
    }

    async fn list(&self) -> Result<Vec<Producer>> {
        let tables = self.read();
        let mut producers: Vec<_> =
            tables.producers.iter().map(|row| row.producer.clone()).collect();
        producers.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
        Ok(producers)
    }

    async fn disable(&self, id: ProducerId, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            let row = unit.tables.producers.iter_mut().find(|row| row.producer.id == id);
            row.ok_or(Error::NotFound("producer"))?.producer.is_active = false;
            unit.audit(Entry::new(now, Action::ProducerDisabled).on(id));
            unit.log(now, Event::ProducersChanged)
        })
    }

    async fn old_keys(&self, now: Timestamp) -> Result<Vec<(ProducerId, Timestamp)>> {
        let tables = self.read();
        let old = |row: &ProducerRow| {
            let (_, until) = row.old.as_ref()?;
            (*until > now).then_some((row.producer.id, *until))
        };
        Ok(tables.producers.iter().filter_map(old).collect())
    }

    async fn rotate(
        &self,
        id: ProducerId,
        key_hash: &str,
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<Producer> {
        self.write(|unit| {
            let row = unit.tables.producers.iter_mut().find(|row| row.producer.id == id);
            let row = row.ok_or(Error::NotFound("producer"))?;
            let old = std::mem::replace(&mut row.key_hash, key_hash.to_owned());
            row.old = Some((old, old_until));
            let producer = row.producer.clone();
            unit.audit(Entry::new(now, Action::ProducerKeyRotated).on(id));
            unit.log(now, Event::ProducersChanged)?;
            Ok(producer)
        })
    }

    async fn enable(&self, id: ProducerId, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            let row = unit.tables.producers.iter_mut().find(|row| row.producer.id == id);
            row.ok_or(Error::NotFound("producer"))?.producer.is_active = true;
            unit.audit(Entry::new(now, Action::ProducerEnabled).on(id));
            unit.log(now, Event::ProducersChanged)
        })
    }

    async fn by_old_key_hash(&self, key_hash: &str) -> Result<Option<(Producer, Timestamp)>> {
        let tables = self.read();
        let found = tables.producers.iter().filter(|row| row.producer.is_active).find_map(|row| {
            let (old, until) = row.old.as_ref()?;
            (old == key_hash).then(|| (row.producer.clone(), *until))
        });
        Ok(found)
    }

    async fn by_key_hash(&self, key_hash: &str) -> Result<Option<Producer>> {
        let tables = self.read();
        let row = tables.producers.iter().find(|row| row.key_hash == key_hash);
        Ok(row.map(|row| row.producer.clone()).filter(|producer| producer.is_active))
    }
}
