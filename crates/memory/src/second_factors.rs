//! Users' second factors.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        ActiveFactor, Challenge, FactorChange, FactorEnabling, FactorProof, FactorSignIn,
        FactorState, NewChallenge, PendingFactor, SecondFactorStore, SpentOn, UserId,
        WRONG_PASSWORD,
    },
    audit::{Action, Entry},
};
use async_trait::async_trait;

use crate::{
    Memory,
    accounts::open,
    tables::{ChallengeRow, FactorRow, Tables},
};

/// The account is there, and has the password that was proved.
fn check(tables: &Tables, user: UserId, proved_by: Option<&str>) -> Result<()> {
    let row = tables.user(user).ok_or(Error::NotFound("account"))?;
    if proved_by.is_some_and(|hash| hash != row.password_hash) {
        return Err(Error::Forbidden(WRONG_PASSWORD));
    }
    Ok(())
}

fn factor(tables: &Tables, user: UserId) -> FactorState {
    let Some(row) = tables.factors.iter().find(|row| row.user == user) else {
        return FactorState::default();
    };
    let mut state = row.state.clone();
    if let Some(active) = &mut state.active {
        active.codes_left = u32::try_from(row.codes.len()).unwrap_or(u32::MAX);
    }
    state
}

/// Uses up a code; false if it is none, or was used before.
fn spend(tables: &mut Tables, user: UserId, proof: &FactorProof) -> bool {
    let Some(row) = tables.factors.iter_mut().find(|row| row.user == user) else { return false };
    let Some(active) = &mut row.state.active else { return false };
    match proof {
        FactorProof::Step { secret, step, resealed } => {
            if active.secret != *secret || active.last_step >= *step {
                return false;
            }
            active.last_step = *step;
            active.secret.clone_from(resealed.as_ref().unwrap_or(secret));
            true
        }
        FactorProof::Backup(hash) => {
            let before = row.codes.len();
            row.codes.retain(|code| code != hash);
            row.codes.len() < before
        }
    }
}

#[async_trait]
impl SecondFactorStore for Memory {
    async fn factor(&self, user: UserId, now: Timestamp) -> Result<FactorState> {
        let FactorState { active, pending } = factor(&self.read(), user);
        Ok(FactorState { active, pending: pending.filter(|pending| now < pending.expires_at) })
    }

    async fn put_pending(&self, user: UserId, pending: PendingFactor) -> Result<bool> {
        self.write(|unit| {
            check(&unit.tables, user, None)?;
            if factor(&unit.tables, user).active.is_some() {
                return Ok(false);
            }
            unit.tables.factors.retain(|row| row.user != user);
            let state = FactorState { active: None, pending: Some(pending) };
            unit.tables.factors.push(FactorRow { user, state, codes: Vec::new() });
            Ok(true)
        })
    }

    async fn enable(&self, enabling: FactorEnabling) -> Result<bool> {
        let FactorEnabling { user, proved_by, secret, step, now } = enabling;
        self.write(|unit| {
            check(&unit.tables, user, Some(&proved_by))?;
            let is_meant =
                |pending: &PendingFactor| pending.secret == secret && now < pending.expires_at;
            let row = unit.tables.factors.iter_mut().find(|row| row.user == user);
            let Some(row) = row.filter(|row| row.state.active.is_none()) else { return Ok(false) };
            let Some(pending) = row.state.pending.take_if(|pending| is_meant(pending)) else {
                return Ok(false);
            };
            let active = ActiveFactor { secret, last_step: step, enabled_at: now, codes_left: 0 };
            row.state.active = Some(active);
            row.codes = pending.codes;
            unit.audit(Entry::new(now, Action::SecondFactorOn).on(user));
            Ok(true)
        })
    }

    async fn change(&self, change: FactorChange) -> Result<bool> {
        let FactorChange { user, proved_by, proof, spent_on, now } = change;
        self.write(|unit| {
            check(&unit.tables, user, proved_by.as_deref())?;
            if !spend(&mut unit.tables, user, &proof) {
                return Ok(false);
            }
            match spent_on {
                SpentOn::Trying => {}
                SpentOn::Codes(codes) => {
                    let rows = unit.tables.factors.iter_mut();
                    for row in rows.filter(|row| row.user == user) {
                        row.codes.clone_from(&codes);
                    }
                    unit.audit(Entry::new(now, Action::BackupCodesRenewed).on(user));
                }
                SpentOn::Disabling => {
                    unit.tables.remove_factor(user);
                    unit.audit(Entry::new(now, Action::SecondFactorOff).on(user));
                }
            }
            Ok(true)
        })
    }

    async fn remove(&self, user: UserId, now: Timestamp) -> Result<bool> {
        self.write(|unit| {
            check(&unit.tables, user, None)?;
            let was_on = unit.tables.remove_factor(user);
            if was_on {
                unit.audit(Entry::new(now, Action::SecondFactorOff).on(user));
            }
            Ok(was_on)
        })
    }

    async fn challenge(&self, challenge: NewChallenge) -> Result<()> {
        self.write(|unit| {
            check(&unit.tables, challenge.user, None)?;
            let (user, now) = (challenge.user, challenge.created_at);
            unit.tables
                .challenges
                .retain(|row| row.opened.user != user || now < row.opened.expires_at);
            unit.tables.challenges.push(ChallengeRow { opened: challenge, tries: 0 });
            Ok(())
        })
    }

    async fn open_challenge(
        &self,
        token_hash: &str,
        now: Timestamp,
        most: u32,
        counts: bool,
    ) -> Result<Option<Challenge>> {
        self.write(|unit| {
            let row = unit.tables.challenges.iter_mut().find(|row| {
                row.opened.token_hash == token_hash
                    && now < row.opened.expires_at
                    && row.tries < most
            });
            let Some(row) = row else { return Ok(None) };
            row.tries += u32::from(counts);
            let (user, generation) = (row.opened.user, row.opened.generation);
            let tables = &unit.tables;
            let account = tables.user(user).map(|row| tables.account(row));
            let account =
                account.filter(|account| account.is_active && account.generation == generation);
            let active = factor(tables, user).active;
            Ok(account.zip(active).map(|(account, factor)| Challenge { account, factor }))
        })
    }

    async fn sign_in(&self, sign_in: FactorSignIn) -> Result<bool> {
        let FactorSignIn { token_hash, proof, session } = sign_in;
        self.write(|unit| {
            check(&unit.tables, session.user, None)?;
            if !spend(&mut unit.tables, session.user, &proof) {
                return Ok(false);
            }
            let before = unit.tables.challenges.len();
            unit.tables.challenges.retain(|row| {
                row.opened.token_hash != token_hash || row.opened.user != session.user
            });
            if unit.tables.challenges.len() == before {
                return Err(Error::Unauthenticated(
                    "signed in already, or too late; sign in again",
                ));
            }
            open(unit, session)?;
            Ok(true)
        })
    }

    async fn sealed(&self, after: Option<UserId>, limit: u32) -> Result<Vec<(UserId, String)>> {
        let tables = self.read();
        let active = |row: &FactorRow| Some((row.user, row.state.active.clone()?.secret));
        let mut sealed: Vec<_> = tables
            .factors
            .iter()
            .filter_map(active)
            .filter(|(user, _)| after.is_none_or(|after| *user > after))
            .collect();
        sealed.sort();
        sealed.truncate(limit as usize);
        Ok(sealed)
    }

    async fn reseal(&self, user: UserId, old: &str, new: &str) -> Result<bool> {
        self.write(|unit| {
            let row = unit.tables.factors.iter_mut().find(|row| row.user == user);
            let active = row.and_then(|row| row.state.active.as_mut());
            let Some(active) = active.filter(|active| active.secret == old) else {
                return Ok(false);
            };
            new.clone_into(&mut active.secret);
            Ok(true)
        })
    }
}
