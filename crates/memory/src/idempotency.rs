//! Requests that named a key.

use alpine_domain::{
    Result,
    idempotency::{
        Begun, IdempotencyKey, IdempotencyStore, KEPT_FOR, KeptAnswer, KeyOwner, NewRequest,
    },
    jobs::Lease,
};
use async_trait::async_trait;

use crate::{Memory, tables::RequestRow};

#[async_trait]
impl IdempotencyStore for Memory {
    async fn begin(&self, request: NewRequest) -> Result<Begun> {
        self.write(|unit| {
            let rows = &mut unit.tables.requests;
            rows.retain(|row| {
                let is_same = row.request.owner == request.owner && row.request.key == request.key;
                !is_same || row.request.now > request.now.earlier(KEPT_FOR)
            });
            let is_it = |row: &&mut RequestRow| {
                row.request.owner == request.owner && row.request.key == request.key
            };
            let Some(row) = rows.iter_mut().find(is_it) else {
                rows.push(RequestRow { request, answer: None });
                return Ok(Begun::Run);
            };
            if row.request.fingerprint != request.fingerprint {
                return Ok(Begun::Other);
            }
            if let Some(answer) = &row.answer {
                return Ok(Begun::Replay(answer.clone()));
            }
            if row.request.until > request.now {
                return Ok(Begun::Running);
            }
            row.request = request;
            Ok(Begun::Run)
        })
    }

    async fn finish(
        &self,
        owner: KeyOwner,
        key: &IdempotencyKey,
        lease: Lease,
        answer: KeptAnswer,
    ) -> Result<bool> {
        self.write(|unit| {
            let held = unit.tables.requests.iter_mut().find(|row| {
                row.request.owner == owner && row.request.key == *key && row.request.lease == lease
            });
            let is_held = held.is_some();
            if let Some(row) = held {
                row.answer = Some(answer);
            }
            Ok(is_held)
        })
    }

    async fn give_up(&self, owner: KeyOwner, key: &IdempotencyKey, lease: Lease) -> Result<()> {
        self.write(|unit| {
            unit.tables.requests.retain(|row| {
                row.request.owner != owner
                    || row.request.key != *key
                    || row.request.lease != lease
                    || row.answer.is_some()
            });
            Ok(())
        })
    }
}
