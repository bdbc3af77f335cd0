//! Who gets digests, and when.

use alpine_domain::{
    Error, Result, Timestamp,
    account::UserId,
    jobs::{Job, NewJob},
    notification::{DigestEvery, DigestStore},
};
use async_trait::async_trait;

use crate::{Memory, tables::DigestRow};

#[async_trait]
impl DigestStore for Memory {
    async fn every(&self, user: UserId) -> Result<Option<DigestEvery>> {
        let tables = self.read();
        Ok(tables.digests.iter().find(|row| row.user == user).map(|row| row.every))
    }

    async fn set(&self, user: UserId, every: Option<DigestEvery>, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            if !unit.tables.users.iter().any(|row| row.account.id == user) {
                return Err(Error::NotFound("account"));
            }
            let rows = &mut unit.tables.digests;
            let before = rows.iter().find(|row| row.user == user).map(|row| row.every);
            if before == every {
                return Ok(());
            }
            rows.retain(|row| row.user != user);
            rows.extend(every.map(|every| DigestRow {
                user,
                every,
                covered_until: now,
                due_at: now.later(every.period()),
            }));
            Ok(())
        })
    }

    async fn add_due(&self, now: Timestamp, limit: u32) -> Result<u32> {
        self.write(|unit| {
            let rows = &mut unit.tables.digests;
            rows.sort_by_key(|row| row.due_at);
            let due = rows.iter_mut().filter(|row| row.due_at <= now).take(limit as usize);
            let mut jobs = Vec::new();
            for row in due {
                let job = Job::DigestDue { user: row.user, since: row.covered_until, until: now };
                jobs.push(NewJob::new(job, now));
                row.covered_until = now;
                row.due_at = row.every.next_after(row.due_at, now);
            }
            let added = jobs.len();
            for job in jobs {
                unit.enqueue(job);
            }
            Ok(u32::try_from(added).unwrap_or(u32::MAX))
        })
    }
}
