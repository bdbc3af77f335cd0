//! Requests that named a key, and what was answered.

use alpine_domain::{
    Result, Timestamp,
    idempotency::{
        Begun, IdempotencyKey, IdempotencyStore, KEPT_FOR, KeptAnswer, KeyOwner, NewRequest,
    },
    jobs::Lease,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _,
};

use crate::{
    AnyConnection, Database, Failure,
    database::Unit,
    dialect,
    rows::{KeyedRequestRow, read_back},
    schema::keyed_requests,
};

/// The requests of one database that named a key.
#[derive(Clone)]
pub struct KeyedRequests(Database);

impl KeyedRequests {
    /// The requests kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = keyed_requests)]
struct Row {
    fingerprint: String,
    begun_at: i64,
    lease: String,
    held_until: i64,
    status: Option<i64>,
    media_type: Option<String>,
    location: Option<String>,
    body: Option<String>,
}

impl Row {
    /// The answer, if there is one.
    fn answer(self) -> Result<Option<KeptAnswer>> {
        let Some(status) = self.status else { return Ok(None) };
        let status = u16::try_from(status).map_err(|_| "is no HTTP status");
        Ok(Some(KeptAnswer {
            status: read_back("keyed_requests.status", status)?,
            media_type: self.media_type,
            location: self.location,
            body: self.body.unwrap_or_default(),
        }))
    }
}

/// Under what a request is kept: neither an owner nor a key has a space.
fn name(owner: KeyOwner, key: &IdempotencyKey) -> String {
    format!("{owner} {}", key.as_str())
}

fn begin(unit: &mut Unit<'_>, request: &NewRequest) -> Result<Begun, Failure> {
    let name = name(request.owner, &request.key);
    let new = KeyedRequestRow {
        name: &name,
        fingerprint: request.fingerprint.to_string(),
        begun_at: request.now.micros(),
        lease: request.lease.to_string(),
        held_until: request.until.micros(),
        status: None,
        media_type: None,
        location: None,
        body: None,
    };
    if dialect::insert_new_keyed_request(unit.conn, &new)? {
        return Ok(Begun::Run);
    }
    let row: Option<Row> =
        keyed_requests::table.find(&name).select(Row::as_select()).first(unit.conn).optional()?;
    // Set free at this very moment: whoever asks again gets it.
    let Some(row) = row else { return Ok(Begun::Running) };
    let is_over = row.begun_at <= request.now.earlier(KEPT_FOR).micros();
    if !is_over && row.fingerprint != new.fingerprint {
        return Ok(Begun::Other);
    }
    let is_given_up = row.status.is_none() && row.held_until <= request.now.micros();
    if is_over || is_given_up {
        let before = keyed_requests::table
            .find(&name)
            .filter(keyed_requests::lease.eq(&row.lease))
            .filter(keyed_requests::begun_at.eq(row.begun_at));
        let taken = diesel::update(before).set(&new).execute(unit.conn)?;
        return Ok(if taken == 1 { Begun::Run } else { Begun::Running });
    }
    Ok(row.answer()?.map_or(Begun::Running, Begun::Replay))
}

/// Deletes `most` requests whose keys are free, and that began after `from`, the oldest first. Says how many, and
/// moves `from`.
pub(crate) fn delete_old(
    conn: &mut AnyConnection,
    now: Timestamp,
    from: &mut Timestamp,
    most: i64,
) -> Result<u64, Failure> {
    let last = now.earlier(KEPT_FOR).micros();
    let old: Vec<(String, i64)> = keyed_requests::table
        .filter(keyed_requests::begun_at.ge(from.micros()))
        .filter(keyed_requests::begun_at.le(last))
        .order(keyed_requests::begun_at.asc())
        .limit(most)
        .select((keyed_requests::name, keyed_requests::begun_at))
        .load(conn)?;
    let names = old.iter().map(|(name, _)| name.as_str());
    // One that begins anew meanwhile stays.
    let gone = keyed_requests::table
        .filter(keyed_requests::name.eq_any(names))
        .filter(keyed_requests::begun_at.le(last));
    let deleted = diesel::delete(gone).execute(conn)? as u64;
    *from = old.last().map_or(*from, |(_, at)| Timestamp::from_micros(*at));
    Ok(deleted)
}

#[async_trait]
impl IdempotencyStore for KeyedRequests {
    async fn begin(&self, request: NewRequest) -> Result<Begun> {
        self.0.write("keyed_request_begin", move |unit| begin(unit, &request)).await
    }

    async fn finish(
        &self,
        owner: KeyOwner,
        key: &IdempotencyKey,
        lease: Lease,
        answer: KeptAnswer,
    ) -> Result<bool> {
        let name = name(owner, key);
        self.0
            .write("keyed_request_finish", move |unit| {
                let held = keyed_requests::table
                    .find(&name)
                    .filter(keyed_requests::lease.eq(lease.to_string()));
                let answered = diesel::update(held).set((
                    keyed_requests::status.eq(i64::from(answer.status)),
                    keyed_requests::media_type.eq(&answer.media_type),
                    keyed_requests::location.eq(&answer.location),
                    keyed_requests::body.eq(&answer.body),
                ));
                Ok(answered.execute(unit.conn)? == 1)
            })
            .await
    }

    async fn give_up(&self, owner: KeyOwner, key: &IdempotencyKey, lease: Lease) -> Result<()> {
        let name = name(owner, key);
        self.0
            .write("keyed_request_give_up", move |unit| {
                let held = keyed_requests::table
                    .find(&name)
                    .filter(keyed_requests::lease.eq(lease.to_string()))
                    .filter(keyed_requests::status.is_null());
                diesel::delete(held).execute(unit.conn)?;
                Ok(())
            })
            .await
    }
}
