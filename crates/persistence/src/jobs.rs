//! What has to be done after a commit. Rows are written in the transaction of their cause, by
//! [`Unit::enqueue`](crate::Unit::enqueue).

use alpine_domain::{
    Error, Result, Timestamp,
    audit::{Action, Entry},
    jobs::{
        Claim, ClaimedJob, Job, JobCounts, JobId, JobState, JobStore, MAX_COUNTED, NewJob,
        StoredJob,
    },
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _,
};

use crate::{
    AnyConnection, Database, Failure, connection::MultiBackend, dialect, rows::instant,
    schema::jobs,
};

/// The jobs of one database.
#[derive(Clone)]
pub struct Jobs(Database);

impl Jobs {
    /// The jobs kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct JobRow {
    id: i64,
    kind: String,
    created_at: i64,
    due_at: i64,
    attempts: i64,
    failed_at: Option<i64>,
    last_error: Option<String>,
}

impl JobRow {
    fn job(self) -> Result<StoredJob> {
        Ok(StoredJob {
            id: JobId::new(self.id),
            kind: self.kind,
            created_at: instant("created_at", self.created_at)?,
            due_at: instant("due_at", self.due_at)?,
            attempts: count(self.attempts),
            failed_at: self.failed_at.map(|at| instant("failed_at", at)).transpose()?,
            last_error: self.last_error,
        })
    }
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The row, if it is held by this very lease.
#[diesel::dsl::auto_type(no_type_alias)]
fn held_by(id: i64, lease: &str) -> _ {
    jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease.eq(lease))
}

#[async_trait]
impl JobStore for Jobs {
    async fn add(&self, job: NewJob) -> Result<Option<JobId>> {
        self.0.write("job_add", move |unit| unit.enqueue(&job)).await
    }

    /// Looks before it writes: most of the time nothing is due, and SQLite has one writer.
    async fn claim(&self, claim: Claim) -> Result<Vec<ClaimedJob>> {
        if !self.0.read("job_look", move |conn| is_any_due(conn, claim)).await? {
            return Ok(Vec::new());
        }
        self.0
            .write("job_claim", move |unit| {
                dialect::avoid_table_scans(unit.conn)?;
                hold(unit.conn, claim)
            })
            .await
    }

    async fn finish(&self, held: &ClaimedJob) -> Result<bool> {
        let (id, lease) = (held.id.get(), held.lease.to_string());
        self.0
            .write("job_finish", move |unit| {
                Ok(diesel::delete(held_by(id, &lease)).execute(unit.conn)? == 1)
            })
            .await
    }

    async fn retry(&self, held: &ClaimedJob, due_at: Timestamp, error: &str) -> Result<bool> {
        let (id, lease, error) = (held.id.get(), held.lease.to_string(), error.to_owned());
        self.0
            .write("job_retry", move |unit| {
                let released = diesel::update(held_by(id, &lease)).set((
                    jobs::lease.eq(None::<String>),
                    jobs::due_at.eq(due_at.micros()),
                    jobs::last_error.eq(&error),
                ));
                Ok(released.execute(unit.conn)? == 1)
            })
            .await
    }

    async fn fail(&self, held: &ClaimedJob, now: Timestamp, error: &str) -> Result<bool> {
        let (id, lease, error) = (held.id.get(), held.lease.to_string(), error.to_owned());
        self.0
            .write("job_fail", move |unit| {
                let failed = diesel::update(held_by(id, &lease)).set((
                    jobs::lease.eq(None::<String>),
                    jobs::failed_at.eq(now.micros()),
                    jobs::last_error.eq(&error),
                ));
                Ok(failed.execute(unit.conn)? == 1)
            })
            .await
    }

    async fn find(&self, id: JobId) -> Result<Option<StoredJob>> {
        self.0
            .read("job_find", move |conn| {
                let row = jobs::table.find(id.get()).select(JobRow::as_select());
                Ok(row.first(conn).optional()?.map(JobRow::job).transpose()?)
            })
            .await
    }

    async fn list(&self, state: JobState, limit: u32, offset: u32) -> Result<Vec<StoredJob>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("job_list", move |conn| {
                let rows: Vec<JobRow> = in_state(state)
                    .limit(limit.into())
                    .offset(offset.into())
                    .select(JobRow::as_select())
                    .load(conn)?;
                let jobs = rows
                    .into_iter()
                    .filter_map(|row| unreadable.leave_out("jobs", row.id, row.job()));
                Ok(jobs.collect())
            })
            .await
    }

    async fn retry_failed(&self, id: JobId, now: Timestamp) -> Result<JobId> {
        self.0
            .write("job_retry_failed", move |unit| {
                let pending = ask_again(unit.conn, id, now)?;
                unit.audit(Entry::new(now, Action::JobRetried).on(id));
                Ok(pending)
            })
            .await
    }

    async fn counts(&self) -> Result<JobCounts> {
        self.0
            .read("job_counts", |conn| {
                let mut counted = |state| -> Result<u32, Failure> {
                    let ids: Vec<i64> =
                        in_state(state).limit(MAX_COUNTED.into()).select(jobs::id).load(conn)?;
                    Ok(u32::try_from(ids.len()).unwrap_or(MAX_COUNTED))
                };
                Ok(JobCounts {
                    pending: counted(JobState::Pending)?,
                    failed: counted(JobState::Failed)?,
                })
            })
            .await
    }
}

/// Jobs in this state, in the order of an index.
fn in_state(state: JobState) -> jobs::BoxedQuery<'static, MultiBackend> {
    match state {
        JobState::Pending => jobs::table
            .filter(jobs::failed_at.is_null())
            .order((jobs::due_at.asc(), jobs::id.asc()))
            .into_boxed(),
        JobState::Failed => jobs::table
            .filter(jobs::failed_at.is_not_null())
            .order((jobs::failed_at.desc(), jobs::id.desc()))
            .into_boxed(),
    }
}

/// In the order of the index: a database that is asked whether there is any at all takes most jobs for due, and
/// reads the table.
fn is_any_due(conn: &mut AnyConnection, claim: Claim) -> Result<bool, Failure> {
    let first: Option<i64> = jobs::table
        .filter(jobs::failed_at.is_null())
        .filter(jobs::due_at.le(claim.now.micros()))
        .filter(jobs::kind.eq_any(claim.lane.kinds()))
        .order((jobs::due_at.asc(), jobs::id.asc()))
        .select(jobs::id)
        .first(conn)
        .optional()?;
    Ok(first.is_some())
}

fn hold(conn: &mut AnyConnection, claim: Claim) -> Result<Vec<ClaimedJob>, Failure> {
    let Claim { now, until, lease, .. } = claim;
    let (mut held, mut broken) = (Vec::new(), Vec::new());
    for (id, payload, attempts) in dialect::lock_due_jobs(conn, claim)? {
        match Job::from_payload(&payload) {
            Ok(job) => {
                let attempts = count(attempts).saturating_add(1);
                held.push(ClaimedJob { id: JobId::new(id), job, attempts, lease });
            }
            Err(_) => broken.push(id),
        }
    }
    let ids = held.iter().map(|job| job.id.get());
    diesel::update(jobs::table.filter(jobs::id.eq_any(ids)))
        .set((
            jobs::lease.eq(lease.to_string()),
            jobs::due_at.eq(until.micros()),
            jobs::attempts.eq(jobs::attempts + 1),
        ))
        .execute(conn)?;
    if !broken.is_empty() {
        diesel::update(jobs::table.filter(jobs::id.eq_any(broken)))
            .set((
                jobs::lease.eq(None::<String>),
                jobs::failed_at.eq(now.micros()),
                jobs::last_error.eq("what is stored cannot be read"),
            ))
            .execute(conn)?;
    }
    Ok(held)
}

fn ask_again(conn: &mut AnyConnection, id: JobId, now: Timestamp) -> Result<JobId, Failure> {
    let failed = || jobs::table.find(id.get()).filter(jobs::failed_at.is_not_null());
    let key: Option<String> = failed()
        .select(jobs::unique_key)
        .first(conn)
        .optional()?
        .ok_or(Error::NotFound("failed job"))?;
    if let Some(key) = key {
        let pending: Option<i64> = jobs::table
            .filter(jobs::unique_key.eq(key))
            .filter(jobs::failed_at.is_null())
            .select(jobs::id)
            .first(conn)
            .optional()?;
        if let Some(pending) = pending {
            diesel::delete(failed()).execute(conn)?;
            return Ok(JobId::new(pending));
        }
    }
    let revived = diesel::update(failed()).set((
        jobs::failed_at.eq(None::<i64>),
        jobs::attempts.eq(0),
        jobs::due_at.eq(now.micros()),
    ));
    revived.execute(conn)?;
    Ok(id)
}
