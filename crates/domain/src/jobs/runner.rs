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

/// Does every kind of job.
pub struct Jobs {
    recovery: Arc<Recovery>,
    verification: Arc<Verification>,
    links: Arc<SignInLinks>,
    sign_ups: SignUps,
    changes: AddressChanges,
    erasure: Erasure,
    payments: Arc<PaymentSync>,
    digests: Digests,
    channels: Arc<Channels>,
}

impl Jobs {
    /// Does jobs by these use cases.
    pub const fn new(
        recovery: Arc<Recovery>,
        verification: Arc<Verification>,
        links: Arc<SignInLinks>,
        sign_ups: SignUps,
        changes: AddressChanges,
        erasure: Erasure,
        payments: Arc<PaymentSync>,
        digests: Digests,
        channels: Arc<Channels>,
    ) -> Self {
        Self {
            recovery,
            verification,
            links,
            sign_ups,
            changes,
            erasure,
            payments,
            digests,
            channels,
        }
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
