//! Who does which kind of job.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Job, RunJob};
use crate::{
    Result,
    account::{AddressChanges, Erasure, Recovery, SignInLinks, SignUps, Verification},
    billing::{PaymentSync, SweepStep},
    channel::Channels,
    notification::Digests,
    ports::channels::Platform,
};

/// Does every kind of job, by these use cases.
pub struct Jobs {
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) verification: Arc<Verification>,
    pub(crate) links: Arc<SignInLinks>,
    pub(crate) sign_ups: SignUps,
    pub(crate) changes: AddressChanges,
    pub(crate) erasure: Erasure,
    pub(crate) payments: Arc<PaymentSync>,
    pub(crate) digests: Digests,
    pub(crate) channels: Arc<Channels>,
}

#[async_trait]
impl RunJob for Jobs {
    async fn run(&self, job: &Job) -> Result<()> {
        match job {
            Job::Check => Ok(()),
            Job::ResetRequested { email } => self.recovery.send_token(email).await,
            Job::SignInLinkRequested { email } => self.links.send_token(email).await,
            Job::VerificationRequested { user } => self.verification.send_token(*user).await,
            Job::SignUpRequested { user } => self.sign_ups.send(*user).await,
            Job::AddressChangeRequested { user, side } => self.changes.send(*user, *side).await,
            Job::AddressChanged { email, side } => self.changes.tell(email, *side).await,
            Job::AccountDeleted { user } => self.erasure.tell(*user).await,
            Job::ErasureDue { user } => self.erasure.erase(*user).await,
            Job::PaymentsChanged { customer } => self.payments.refresh(customer).await,
            Job::ChargeReversed { charge } => self.payments.refresh_payer(charge).await,
            Job::PaymentsSwept { begun_at, after } => {
                let step = SweepStep { begun_at: *begun_at, after: after.clone() };
                self.payments.sweep_by_job(step).await
            }
            Job::DigestDue { user, since, until } => self.digests.send(*user, *since, *until).await,
            Job::TelegramFollows { user } => self.channels.follow(*user, Platform::Telegram).await,
            Job::DiscordFollows { user } => self.channels.follow(*user, Platform::Discord).await,
            Job::SubscriptionsEnd { user } => self.payments.end(*user).await,
        }
    }
}
