//! Producers and their keys.

use alpine_domain::{
    Error, Result, Timestamp,
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
    producer::{Producer, ProducerId, ProducerName, ProducerStore},
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _,
};

use crate::{
    AnyConnection, Database, Failure,
    database::Unit,
    dialect,
    failure::unique_as,
    rows::{NewProducerRow, ProducerRow},
    schema::producers,
};

/// The producers of one database.
#[derive(Clone)]
pub struct Producers(Database);

impl Producers {
    /// The producers kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

const KEY_TAKEN: &str = "another producer has this key; give each producer its own";

fn by_name(conn: &mut AnyConnection, name: &ProducerName) -> Result<ProducerRow, Failure> {
    let row = producers::table.filter(producers::name.eq(name.as_str())).first(conn);
    // Producers are never deleted: one that could not be inserted and has no row under its name
    // collided on its key.
    row.optional()?.ok_or_else(|| Error::conflict(ConflictKind::ProducerExists, KEY_TAKEN).into())
}

/// Inserts the producer unless its name is taken; its row, and whether it is new. Fails with a
/// conflict if another name has the key.
fn insert(
    unit: &mut Unit<'_>,
    name: &ProducerName,
    key_hash: &str,
    is_simulated: bool,
    now: Timestamp,
) -> Result<(ProducerRow, bool), Failure> {
    let row = NewProducerRow {
        name: name.as_str(),
        key_hash,
        is_simulated,
        is_active: true,
        created_at: now.micros(),
    };
    let is_new = dialect::insert_new_producer(unit.conn, &row)?;
    let row = by_name(unit.conn, name)?;
    if is_new {
        unit.audit(Entry::new(now, Action::ProducerCreated).on(ProducerId::new(row.id)));
        unit.log(now, Event::ProducersChanged);
    }
    Ok((row, is_new))
}

fn set_active(unit: &mut Unit<'_>, id: ProducerId, is_active: bool) -> Result<(), Failure> {
    let found = diesel::update(producers::table.find(id.get()))
        .set(producers::is_active.eq(is_active))
        .execute(unit.conn)?;
    if found == 0 { Err(Error::NotFound("producer").into()) } else { Ok(()) }
}

#[async_trait]
impl ProducerStore for Producers {
    async fn create(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer> {
        let (name, key_hash) = (name.clone(), key_hash.to_owned());
        self.0
            .write("producer_create", move |unit| {
                let (row, is_new) = insert(unit, &name, &key_hash, is_simulated, now)?;
                if !is_new {
                    let detail = format!("a producer named {name} exists");
                    return Err(Error::conflict(ConflictKind::ProducerExists, detail).into());
                }
                Ok(row.producer()?)
            })
            .await
    }

    /// A disabled producer is enabled by another key, never by the one it had.
    async fn ensure(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer> {
        let (name, key_hash) = (name.clone(), key_hash.to_owned());
        self.0
            .write("producer_ensure", move |unit| {
                let (row, _) = insert(unit, &name, &key_hash, is_simulated, now)?;
                let has_key = row.key_hash == key_hash;
                if row.previous_key_hash.as_ref() == Some(&key_hash) {
                    // It was rotated out.
                    return Ok(row.producer()?);
                }
                if has_key && row.is_simulated == is_simulated {
                    return Ok(row.producer()?);
                }
                let is_active = row.producer()?.is_active || !has_key;
                let update = diesel::update(producers::table.find(row.id)).set((
                    producers::key_hash.eq(&key_hash),
                    producers::is_simulated.eq(is_simulated),
                    producers::is_active.eq(is_active),
                ));
                unique_as(update.execute(unit.conn), ConflictKind::ProducerExists, KEY_TAKEN)?;
                if !has_key {
                    let id = ProducerId::new(row.id);
                    unit.audit(Entry::new(now, Action::ProducerKeyRotated).on(id));
                }
                unit.log(now, Event::ProducersChanged);
                Ok(by_name(unit.conn, &name)?.producer()?)
            })
            .await
    }

    async fn list(&self) -> Result<Vec<Producer>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("producer_list", move |conn| {
                let rows: Vec<ProducerRow> =
                    producers::table.order(producers::name.asc()).load(conn)?;
                let producers = rows
                    .iter()
                    .filter_map(|row| unreadable.leave_out("producers", row.id, row.producer()));
                Ok(producers.collect())
            })
            .await
    }

    async fn disable(&self, id: ProducerId, now: Timestamp) -> Result<()> {
        self.0
            .write("producer_disable", move |unit| {
                set_active(unit, id, false)?;
                unit.audit(Entry::new(now, Action::ProducerDisabled).on(id));
                unit.log(now, Event::ProducersChanged);
                Ok(())
            })
            .await
    }

    async fn old_keys(&self, now: Timestamp) -> Result<Vec<(ProducerId, Timestamp)>> {
        self.0
            .read("producer_old_keys", move |conn| {
                let rows: Vec<ProducerRow> = producers::table
                    .filter(producers::previous_until.gt(now.micros()))
                    .load(conn)?;
                let mut old = Vec::new();
                for row in rows {
                    old.extend(row.old_until()?.map(|until| (ProducerId::new(row.id), until)));
                }
                Ok(old)
            })
            .await
    }

    async fn rotate(
        &self,
        id: ProducerId,
        key_hash: &str,
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<Producer> {
        let key_hash = key_hash.to_owned();
        self.0
            .write("producer_rotate", move |unit| {
                let row: Option<ProducerRow> = diesel::update(producers::table.find(id.get()))
                    .set((
                        // The value before the update.
                        producers::previous_key_hash.eq(producers::key_hash.nullable()),
                        producers::previous_until.eq(old_until.micros()),
                        producers::key_hash.eq(&key_hash),
                    ))
                    .returning(producers::all_columns)
                    .get_result(unit.conn)
                    .optional()?;
                let row = row.ok_or(Error::NotFound("producer"))?;
                unit.audit(Entry::new(now, Action::ProducerKeyRotated).on(id));
                unit.log(now, Event::ProducersChanged);
                Ok(row.producer()?)
            })
            .await
    }

    async fn enable(&self, id: ProducerId, now: Timestamp) -> Result<()> {
        self.0
            .write("producer_enable", move |unit| {
                set_active(unit, id, true)?;
                unit.audit(Entry::new(now, Action::ProducerEnabled).on(id));
                unit.log(now, Event::ProducersChanged);
                Ok(())
            })
            .await
    }

    async fn by_old_key_hash(&self, key_hash: &str) -> Result<Option<(Producer, Timestamp)>> {
        let key_hash = key_hash.to_owned();
        self.0
            .read("producer_by_old_key", move |conn| {
                let row: Option<ProducerRow> = producers::table
                    .filter(producers::previous_key_hash.eq(&key_hash))
                    .filter(producers::is_active)
                    .first(conn)
                    .optional()?;
                let Some(row) = row else { return Ok(None) };
                Ok(row
                    .old_until()?
                    .map(|until| Ok::<_, Error>((row.producer()?, until)))
                    .transpose()?)
            })
            .await
    }

    async fn by_key_hash(&self, key_hash: &str) -> Result<Option<Producer>> {
        let key_hash = key_hash.to_owned();
        self.0
            .read("producer_by_key", move |conn| {
                let row: Option<ProducerRow> = producers::table
                    .filter(producers::key_hash.eq(&key_hash))
                    .filter(producers::is_active)
                    .first(conn)
                    .optional()?;
                Ok(row.map(|row| row.producer()).transpose()?)
            })
            .await
    }
}
