//! What has to be done.

use std::cmp::Reverse;

use alpine_domain::{
    Error, Result, Timestamp,
    audit::{Action, Entry},
    jobs::{
        Claim, ClaimedJob, JobCounts, JobId, JobState, JobStore, Lease, MAX_COUNTED, NewJob,
        StoredJob,
    },
};
use async_trait::async_trait;

use crate::{
    Memory,
    tables::{JobRow, Tables},
};

impl Tables {
    /// The job that is pending under this key.
    fn pending_job(&self, key: Option<&str>) -> Option<JobId> {
        let key = key?;
        let is_it = |row: &&JobRow| {
            row.added.unique_key.as_deref() == Some(key) && row.stored.failed_at.is_none()
        };
        self.jobs.iter().find(is_it).map(|row| row.stored.id)
    }

    fn in_state(&self, state: JobState) -> Vec<StoredJob> {
        let mut jobs: Vec<StoredJob> = self
            .jobs
            .iter()
            .map(|row| &row.stored)
            .filter(|job| job.state() == state)
            .cloned()
            .collect();
        match state {
            JobState::Pending => jobs.sort_by_key(|job| (job.due_at, job.id)),
            JobState::Failed => jobs.sort_by_key(|job| Reverse((job.failed_at, job.id))),
        }
        jobs
    }
}

impl Memory {
    /// Changes a job that is held by this very lease; whether there is one.
    fn change(&self, held: &ClaimedJob, change: impl FnOnce(&mut JobRow)) -> Result<bool> {
        self.write(|unit| {
            let is_it =
                |row: &&mut JobRow| row.stored.id == held.id && row.lease == Some(held.lease);
            let row = unit.tables.jobs.iter_mut().find(is_it);
            Ok(row.map(change).is_some())
        })
    }
}

fn release(row: &mut JobRow, error: &str) {
    row.lease = None;
    row.stored.last_error = Some(error.to_owned());
}

#[async_trait]
impl JobStore for Memory {
    async fn add(&self, job: NewJob) -> Result<Option<JobId>> {
        self.write(|unit| Ok(unit.enqueue(job)))
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<ClaimedJob>> {
        let Claim { lane, now, until, lease, limit } = claim;
        self.write(|unit| {
            let mut held = Vec::new();
            for due in unit.tables.in_state(JobState::Pending) {
                if due.due_at > now || held.len() == limit as usize {
                    break;
                }
                let rows = &mut unit.tables.jobs;
                let row = rows.iter_mut().find(|row| row.stored.id == due.id);
                let row = row.ok_or(Error::NotFound("job"))?;
                if row.added.job.lane() != lane {
                    continue;
                }
                row.lease = Some(lease);
                row.stored.due_at = until;
                row.stored.attempts += 1;
                let (job, attempts) = (row.added.job.clone(), row.stored.attempts);
                held.push(ClaimedJob { id: due.id, job, attempts, lease });
            }
            Ok(held)
        })
    }

    async fn finish(&self, held: &ClaimedJob) -> Result<bool> {
        self.write(|unit| {
            let before = unit.tables.jobs.len();
            let is_it = |row: &JobRow| row.stored.id == held.id && row.lease == Some(held.lease);
            unit.tables.jobs.retain(|row| !is_it(row));
            Ok(unit.tables.jobs.len() < before)
        })
    }

    async fn retry(&self, held: &ClaimedJob, due_at: Timestamp, error: &str) -> Result<bool> {
        self.change(held, |row| {
            release(row, error);
            row.stored.due_at = due_at;
        })
    }

    async fn fail(&self, held: &ClaimedJob, now: Timestamp, error: &str) -> Result<bool> {
        self.change(held, |row| {
            release(row, error);
            row.stored.failed_at = Some(now);
        })
    }

    async fn find(&self, id: JobId) -> Result<Option<StoredJob>> {
        let tables = self.read();
        Ok(tables.jobs.iter().find(|row| row.stored.id == id).map(|row| row.stored.clone()))
    }

    async fn list(&self, state: JobState, limit: u32, offset: u32) -> Result<Vec<StoredJob>> {
        let jobs = self.read().in_state(state);
        Ok(jobs.into_iter().skip(offset as usize).take(limit as usize).collect())
    }

    async fn retry_failed(&self, id: JobId, now: Timestamp) -> Result<JobId> {
        self.write(|unit| {
            unit.audit(Entry::new(now, Action::JobRetried).on(id));
            let tables = &mut unit.tables;
            let is_it = |row: &JobRow| row.stored.id == id && row.stored.failed_at.is_some();
            let at = tables.jobs.iter().position(is_it).ok_or(Error::NotFound("failed job"))?;
            if let Some(pending) = tables.pending_job(tables.jobs[at].added.unique_key.as_deref()) {
                tables.jobs.remove(at);
                return Ok(pending);
            }
            let stored = &mut tables.jobs[at].stored;
            (stored.failed_at, stored.attempts, stored.due_at) = (None, 0, now);
            Ok(id)
        })
    }

    async fn counts(&self) -> Result<JobCounts> {
        let tables = self.read();
        let counted = |state| {
            let found = tables.in_state(state).len();
            u32::try_from(found).unwrap_or(MAX_COUNTED).min(MAX_COUNTED)
        };
        Ok(JobCounts { pending: counted(JobState::Pending), failed: counted(JobState::Failed) })
    }
}

impl crate::Unit {
    /// Adds something that has to be done; `None` if a job with its key is pending.
    pub(crate) fn enqueue(&mut self, added: NewJob) -> Option<JobId> {
        if self.tables.pending_job(added.unique_key.as_deref()).is_some() {
            return None;
        }
        self.tables.last_job += 1;
        let id = JobId::new(self.tables.last_job);
        let stored = StoredJob {
            id,
            kind: added.job.kind().to_owned(),
            created_at: added.created_at,
            due_at: added.due_at,
            attempts: 0,
            failed_at: None,
            last_error: None,
        };
        self.tables.jobs.push(JobRow { added, stored, lease: None::<Lease> });
        self.has_jobs = true;
        Some(id)
    }
}
