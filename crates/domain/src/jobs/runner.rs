//! Who does which kind of job.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Job, RunJob};
use crate::{
    Result,
    account::{Recovery, Verification},
};

/// Does every kind of job.
pub struct Jobs {
    recovery: Arc<Recovery>,
    verification: Arc<Verification>,
}

impl Jobs {
    /// Does jobs by these use cases.
    pub const fn new(recovery: Arc<Recovery>, verification: Arc<Verification>) -> Self {
        Self { recovery, verification }
    }
}

#[async_trait]
impl RunJob for Jobs {
    async fn run(&self, job: &Job) -> Result<()> {
        match job {
            Job::Check => Ok(()),
            Job::ResetRequested { email } => self.recovery.send_token(email).await,
            Job::VerificationRequested { user } => self.verification.send_token(*user).await,
        }
    }
}
