//! Who does which kind of job.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Job, RunJob};
use crate::{
    Result,
    account::{Erasure, Recovery, SignInLinks, Verification},
};

/// Does every kind of job.
pub struct Jobs {
    recovery: Arc<Recovery>,
    verification: Arc<Verification>,
    links: Arc<SignInLinks>,
    erasure: Erasure,
}

impl Jobs {
    /// Does jobs by these use cases.
    pub const fn new(
        recovery: Arc<Recovery>,
        verification: Arc<Verification>,
        links: Arc<SignInLinks>,
        erasure: Erasure,
    ) -> Self {
        Self { recovery, verification, links, erasure }
    }
}

#[async_trait]
impl RunJob for Jobs {
    async fn run(&self, job: &Job) -> Result<()> {
        match job {
            Job::Check => Ok(()),
            Job::ResetRequested { email } => self.recovery.send_token(email).await,
            Job::SignInLinkRequested { email } => self.links.send_token(email).await,
            Job::VerificationRequested { user } => self.verification.send_token(*user).await,
            Job::AccountDeleted { user } => self.erasure.tell(*user).await,
            Job::ErasureDue { user } => self.erasure.erase(*user).await,
        }
    }
}
