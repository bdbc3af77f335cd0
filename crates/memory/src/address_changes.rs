//! Other addresses that wait for their confirmation.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        AddressChangeStore, AddressConfirmed, AddressSide, NewAddressChange, PendingAddressChange,
        UserId, WRONG_PASSWORD, change_told,
    },
    audit::{Action, Entry},
    event::Event,
    jobs::NewJob,
};
use async_trait::async_trait;

use crate::{
    Memory, Unit,
    accounts::NO_ACCOUNT,
    tables::{ChangeRow, Tables},
};

const fn place(side: AddressSide) -> usize {
    match side {
        AddressSide::Old => 0,
        AddressSide::New => 1,
    }
}

/// The change that is live at `now` and meets `condition`, by its place.
fn live(tables: &Tables, now: Timestamp, condition: impl Fn(&ChangeRow) -> bool) -> Option<usize> {
    tables.changes.iter().position(|row| {
        let state = tables.state(row.asked.user);
        condition(row)
            && row.asked.expires_at > now
            && state.is_some_and(|it| it.is_active && it.generation == row.generation)
    })
}

fn confirm(unit: &mut Unit, token_hash: &str, now: Timestamp) -> Result<Option<AddressConfirmed>> {
    let has_token = |token: &Option<String>| token.as_deref() == Some(token_hash);
    let found = live(&unit.tables, now, |row| row.tokens.iter().any(has_token));
    let Some(at) = found else { return Ok(None) };
    let row = &mut unit.tables.changes[at];
    let side = usize::from(!has_token(&row.tokens[0]));
    (row.tokens[side], row.confirmed[side]) = (None, true);
    if row.confirmed != [true; 2] {
        return Ok(Some(AddressConfirmed::One));
    }
    let asked = unit.tables.changes.remove(at).asked;
    let (id, email) = (asked.user, asked.change.email);
    if unit.tables.users.iter().any(|user| user.account.email == email) {
        return Ok(None);
    }
    let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
    let told = change_told(&user.account.email, &email, now);
    (user.account.email, user.account.is_verified) = (email, true);
    user.account.updated_at = now;
    unit.tables.forget_tokens(id);
    for job in told {
        unit.enqueue(job);
    }
    unit.audit(Entry::new(now, Action::EmailChanged).on(id).by(id));
    unit.log(now, Event::AccountChanged { user: id })?;
    Ok(Some(AddressConfirmed::Both))
}

#[async_trait]
impl AddressChangeStore for Memory {
    async fn ask(&self, asked: NewAddressChange, jobs: Vec<NewJob>) -> Result<()> {
        self.write(|unit| {
            let user = unit.tables.user(asked.user).ok_or(NO_ACCOUNT)?;
            if user.password_hash != asked.change.proved_by {
                return Err(Error::Forbidden(WRONG_PASSWORD));
            }
            let generation = unit.tables.account(user).generation;
            unit.tables.changes.retain(|row| row.asked.user != asked.user);
            let (tokens, confirmed) = ([None, None], [false; 2]);
            unit.tables.changes.push(ChangeRow { asked, generation, tokens, confirmed });
            for job in jobs {
                unit.enqueue(job);
            }
            Ok(())
        })
    }

    async fn pending_change(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<PendingAddressChange>> {
        let tables = self.read();
        let Some(at) = live(&tables, now, |row| row.asked.user == user) else { return Ok(None) };
        let old = tables.user(user).ok_or(NO_ACCOUNT)?.account.email.clone();
        Ok(Some(PendingAddressChange { old, new: tables.changes[at].asked.change.email.clone() }))
    }

    async fn put_change_token(
        &self,
        user: UserId,
        side: AddressSide,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(|unit| {
            let found = live(&unit.tables, now, |row| row.asked.user == user);
            let Some(at) = found else { return Ok(false) };
            unit.tables.changes[at].tokens[place(side)] = Some(token_hash.to_owned());
            Ok(true)
        })
    }

    async fn confirm_change(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<AddressConfirmed>> {
        self.write(|unit| confirm(unit, token_hash, now))
    }
}
