//! Deleting the own account.

use super::Deletion;
use crate::{
    Error, Result, Timestamp,
    account::{Accounts, TypedPassword, UserId, WRONG_PASSWORD},
    channel::follow_jobs,
    jobs::{Job, NewJob},
    ports::secrets::HashPriority,
};

impl Accounts {
    /// Deletes the account. `password` comes with the priority of the client. Says when what is personal will be
    /// erased.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong password; [`Error::Conflict`] for the last enabled administrator.
    pub async fn delete(
        &self,
        user: UserId,
        (password, priority): (&str, HashPriority),
    ) -> Result<Timestamp> {
        let account = self.profile(user).await?;
        let password = TypedPassword::new(password).ok_or(Error::Forbidden(WRONG_PASSWORD))?;
        let proved_by = self.proof(&account, &password, priority).await?;
        let now = self.ports.clock.now();
        let erase_at = now.later(self.settings.erase_after);
        let mut jobs = vec![
            NewJob::new(Job::AccountDeleted { user }, now),
            NewJob::new(Job::SubscriptionsEnd { user }, now),
            NewJob::new(Job::ErasureDue { user }, now).due(erase_at),
        ];
        jobs.extend(follow_jobs(user, now));
        let deletion = Deletion { user, proved_by, now, erase_at, jobs };
        self.ports.deletions.delete(deletion).await?;
        Ok(erase_at)
    }
}
