//! Sign-ups that wait for their confirmation.

use alpine_domain::{
    Result, Timestamp,
    account::{Account, NewAccount, PendingSignUp, SignUpStore, UserId},
    jobs::NewJob,
};
use async_trait::async_trait;

use crate::{Memory, accounts::insert_account, tables::SignUpRow};

#[async_trait]
impl SignUpStore for Memory {
    async fn add(&self, pending: PendingSignUp, job: NewJob) -> Result<()> {
        self.write(|unit| {
            unit.tables.sign_ups.push(SignUpRow { pending, token_hash: None });
            unit.enqueue(job);
            Ok(())
        })
    }

    async fn pending(&self, user: UserId, now: Timestamp) -> Result<Option<PendingSignUp>> {
        let tables = self.read();
        let is_it = |row: &&SignUpRow| row.pending.user == user && row.pending.expires_at > now;
        Ok(tables.sign_ups.iter().find(is_it).map(|row| row.pending.clone()))
    }

    async fn put_sign_up_token(
        &self,
        user: UserId,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(|unit| {
            let is_it =
                |row: &&mut SignUpRow| row.pending.user == user && row.pending.expires_at > now;
            let Some(row) = unit.tables.sign_ups.iter_mut().find(is_it) else { return Ok(false) };
            row.token_hash = Some(token_hash.to_owned());
            Ok(true)
        })
    }

    async fn by_token(&self, token_hash: &str, now: Timestamp) -> Result<Option<PendingSignUp>> {
        let tables = self.read();
        let has_token = |row: &&SignUpRow| row.token_hash.as_deref() == Some(token_hash);
        let found = tables.sign_ups.iter().filter(has_token).find(|it| it.pending.expires_at > now);
        Ok(found.map(|row| row.pending.clone()))
    }

    async fn confirm(&self, token_hash: &str, account: NewAccount) -> Result<Option<Account>> {
        self.write(|unit| {
            let rows = &mut unit.tables.sign_ups;
            let before = rows.len();
            rows.retain(|row| {
                row.token_hash.as_deref() != Some(token_hash)
                    || row.pending.expires_at <= account.created_at
            });
            let is_taken = unit.tables.users.iter().any(|user| user.account.email == account.email);
            if unit.tables.sign_ups.len() == before || is_taken {
                return Ok(None);
            }
            insert_account(unit, account, true).map(Some)
        })
    }
}
