//! Who is in which channel of a messenger, and on whose behalf.

use alpine_domain::{
    Result, Timestamp,
    account::{UserId, placeholder},
    channel::{
        AskedFor, Asking, Basis, ChannelStore, Followed, Membership, follow_job, follow_jobs,
    },
    jobs::NewJob,
    ports::channels::Platform,
};
use async_trait::async_trait;

use crate::{Memory, Unit, tables::Tables};

impl Tables {
    fn basis(&self, user: UserId) -> Option<Basis> {
        let account = &self.user(user)?.account;
        Some(Basis {
            tier: account.tier,
            is_active: account.is_active,
            is_deleted: account.email.as_str() == placeholder(user),
        })
    }

    fn membership(&mut self, it: &Membership) -> Option<&mut Membership> {
        self.memberships
            .iter_mut()
            .find(|row| (row.user, row.platform, &row.place) == (it.user, it.platform, &it.place))
    }

    /// Writes it if its version is the stored one, or 0 without one.
    fn write_membership(&mut self, it: &Membership) -> bool {
        let next = Membership { version: it.version + 1, ..it.clone() };
        match self.membership(it) {
            Some(row) if row.version == it.version => *row = next,
            None if it.version == 0 => self.memberships.push(next),
            _ => return false,
        }
        true
    }

    fn take_over(&mut self, it: &Membership, now: Timestamp) {
        let is_others = |row: &&mut Membership| {
            row.user != it.user
                && (row.platform, &row.place) == (it.platform, &it.place)
                && it.member.is_some()
                && row.member == it.member
        };
        if let Some(row) = self.memberships.iter_mut().find(is_others) {
            *row = Membership { version: row.version + 1, ..row.without_member(now) };
        }
    }

    fn take_over_elsewhere(&mut self, it: &Membership) {
        let is_others = |row: &&mut Membership| {
            row.user != it.user
                && row.platform == it.platform
                && row.place != it.place
                && it.member.is_some()
                && row.member == it.member
        };
        for row in self.memberships.iter_mut().filter(is_others) {
            *row = Membership { version: row.version + 1, ..row.member_moved() };
        }
    }
}

impl Unit {
    /// Channels of messengers are to follow what an account is now.
    pub(crate) fn followed_by_channels(&mut self, user: UserId, now: Timestamp) {
        for job in follow_jobs(user, now) {
            self.enqueue(job);
        }
    }
}

#[async_trait]
impl ChannelStore for Memory {
    async fn followed(&self, user: UserId) -> Result<Option<Followed>> {
        let tables = self.read();
        let Some(basis) = tables.basis(user) else { return Ok(None) };
        let theirs = tables.memberships.iter().filter(|it| it.user == user);
        let mut memberships: Vec<_> = theirs.cloned().collect();
        memberships
            .sort_by(|a, b| (a.platform.as_str(), &a.place).cmp(&(b.platform.as_str(), &b.place)));
        Ok(Some(Followed { basis, memberships }))
    }

    async fn keep(&self, it: Membership, basis: Basis) -> Result<Option<i64>> {
        self.write(|unit| {
            if unit.tables.basis(it.user) != Some(basis) {
                return Ok(None);
            }
            let stored = unit.tables.membership(&it).map_or(0, |row| row.version);
            if stored != it.version {
                return Ok(None);
            }
            unit.tables.take_over(&it, it.since);
            Ok(unit.tables.write_membership(&it).then_some(it.version + 1))
        })
    }

    async fn ask(&self, asking: Asking) -> Result<AskedFor> {
        self.write(|unit| {
            let is_it = |it: &&Membership| {
                let invite = it.invite.as_ref();
                it.platform == asking.platform
                    && invite.is_some_and(|invite| invite.name == asking.invite)
            };
            let Some(it) = unit.tables.memberships.iter().find(is_it).cloned() else {
                return Ok(AskedFor::Unknown);
            };
            let outcome = it.asked_by(&asking);
            if let Some(changed) = &outcome.kept {
                unit.tables.take_over(changed, asking.now);
                unit.tables.take_over_elsewhere(changed);
                unit.tables.write_membership(changed);
            }
            if matches!(outcome.answer, AskedFor::Taken(_)) {
                unit.enqueue(NewJob::new(follow_job(asking.platform, it.user), asking.now));
            }
            Ok(outcome.answer)
        })
    }

    async fn user_of(
        &self,
        platform: Platform,
        place: &str,
        member: &str,
    ) -> Result<Option<UserId>> {
        let tables = self.read();
        let is_it = |it: &&Membership| {
            it.platform == platform && it.place == place && it.member.as_deref() == Some(member)
        };
        Ok(tables.memberships.iter().find(is_it).map(|it| it.user))
    }

    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32> {
        self.write(|unit| {
            let is_ripe = |it: &&Membership| it.recheck_at.is_some_and(|at| at <= now);
            let mut ripe: Vec<_> =
                unit.tables.memberships.iter().filter(is_ripe).cloned().collect();
            ripe.sort_by_key(|it| it.recheck_at);
            ripe.truncate(limit as usize);
            for it in &ripe {
                let key = format!("channels:{}:{}", it.platform, it.user);
                unit.enqueue(NewJob::new(follow_job(it.platform, it.user), now).once_for(key));
                if let Some(row) = unit.tables.membership(it) {
                    row.recheck_at = Some(again);
                }
            }
            Ok(u32::try_from(ripe.len()).unwrap_or(u32::MAX))
        })
    }
}
