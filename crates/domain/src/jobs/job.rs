//! What there is to do.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Timestamp,
    account::{AddressSide, UserId},
};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Nothing: that it is done shows an operator that instances work off jobs.
    Check,
    /// Somebody asked for another password for the account of this address, if there is one.
    ResetRequested {
        /// The address as it was typed.
        email: String,
    },
    /// Somebody asked for a link that signs in to the account of this address, if there is one.
    SignInLinkRequested {
        /// The address as it was typed.
        email: String,
    },
    /// A user is to confirm the account's address.
    VerificationRequested {
        /// Who.
        user: UserId,
    },
    /// Somebody signed up, and is to confirm it.
    SignUpRequested {
        /// The user that is to be.
        user: UserId,
    },
    /// A user asked for another address, and one of the two is to be confirmed.
    AddressChangeRequested {
        /// Who.
        user: UserId,
        /// Which of the two.
        side: AddressSide,
    },
    /// An account has another address, and one of the two is told.
    AddressChanged {
        /// Where the mail goes.
        email: String,
        /// Which of the two it is.
        side: AddressSide,
    },
    /// An account was deleted: its owner is told.
    AccountDeleted {
        /// Whose it was.
        user: UserId,
    },
    /// What is personal of a deleted account is to be erased.
    ErasureDue {
        /// Whose it was.
        user: UserId,
    },
    /// Something about a customer's payments may be otherwise than it is kept.
    PaymentsChanged {
        /// The provider's id of the customer.
        customer: String,
    },
    /// Money of a payment went back, or may.
    ChargeReversed {
        /// The provider's id of the payment.
        charge: String,
    },
    /// Everybody who pays is compared with what the provider says.
    PaymentsSwept {
        /// When it began; `None`: it begins.
        begun_at: Option<Timestamp>,
        /// The subscription that was compared last.
        after: Option<String>,
    },
    /// What a user was told, and has not read, is to be mailed.
    DigestDue {
        /// Who.
        user: UserId,
        /// What was told until then was mailed before.
        since: Timestamp,
        /// What is told later comes with the next mail.
        until: Timestamp,
    },
    /// Where a user belongs on Telegram may be otherwise than it is.
    TelegramFollows {
        /// Who.
        user: UserId,
    },
    /// The same on Discord.
    DiscordFollows {
        /// Who.
        user: UserId,
    },
    /// An account was deleted: whatever it pays for ends.
    SubscriptionsEnd {
        /// Whose it was.
        user: UserId,
    },
}

/// What jobs wait for. Those of one lane delay none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The mail server, for as long as it takes.
    Mail,
    /// The mail server as well; these are many at once, and delay no link that somebody waits for.
    Digests,
    /// Who takes payments.
    Payments,
    /// Telegram.
    Telegram,
    /// Discord.
    Discord,
    /// Nothing but the database.
    Other,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 6] =
        [Self::Mail, Self::Digests, Self::Payments, Self::Telegram, Self::Discord, Self::Other];

    /// The names of its kinds, as they are stored.
    pub const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Mail => &[
                "reset_requested",
                "sign_in_link_requested",
                "verification_requested",
                "sign_up_requested",
                "address_change_requested",
                "address_changed",
                "account_deleted",
            ],
            Self::Payments => {
                &["payments_changed", "charge_reversed", "payments_swept", "subscriptions_end"]
            }
            Self::Digests => &["digest_due"],
            Self::Telegram => &["telegram_follows"],
            Self::Discord => &["discord_follows"],
            Self::Other => &["check", "erasure_due"],
        }
    }
}

impl Job {
    /// The kind's name, as it is stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::ResetRequested { .. } => "reset_requested",
            Self::SignInLinkRequested { .. } => "sign_in_link_requested",
            Self::VerificationRequested { .. } => "verification_requested",
            Self::SignUpRequested { .. } => "sign_up_requested",
            Self::AddressChangeRequested { .. } => "address_change_requested",
            Self::AddressChanged { .. } => "address_changed",
            Self::AccountDeleted { .. } => "account_deleted",
            Self::ErasureDue { .. } => "erasure_due",
            Self::PaymentsChanged { .. } => "payments_changed",
            Self::ChargeReversed { .. } => "charge_reversed",
            Self::PaymentsSwept { .. } => "payments_swept",
            Self::TelegramFollows { .. } => "telegram_follows",
            Self::DiscordFollows { .. } => "discord_follows",
            Self::SubscriptionsEnd { .. } => "subscriptions_end",
            Self::DigestDue { .. } => "digest_due",
        }
    }

    /// Beside which jobs it is done.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Check | Self::ErasureDue { .. } => Lane::Other,
            Self::DigestDue { .. } => Lane::Digests,
            Self::PaymentsChanged { .. }
            | Self::ChargeReversed { .. }
            | Self::PaymentsSwept { .. }
            | Self::SubscriptionsEnd { .. } => Lane::Payments,
            Self::TelegramFollows { .. } => Lane::Telegram,
            Self::DiscordFollows { .. } => Lane::Discord,
            Self::ResetRequested { .. }
            | Self::SignInLinkRequested { .. }
            | Self::VerificationRequested { .. }
            | Self::SignUpRequested { .. }
            | Self::AddressChangeRequested { .. }
            | Self::AddressChanged { .. }
            | Self::AccountDeleted { .. } => Lane::Mail,
        }
    }

    /// The job as it is stored.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written as JSON, which no variant here can cause.
    pub fn to_payload(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// Reads a stored job.
    ///
    /// # Errors
    /// [`Error::Internal`] when it is none of this release.
    pub fn from_payload(payload: &str) -> Result<Self> {
        serde_json::from_str(payload).map_err(Error::internal)
    }
}

/// Does jobs.
#[async_trait]
pub trait RunJob: Send + Sync {
    /// Does one. May be dropped in the middle, and the job come again.
    ///
    /// # Errors
    /// What kept it from being done; [`outcome`](super::outcome) says whether it is tried again.
    async fn run(&self, job: &Job) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored is read by older and newer releases: the names stay.
    #[test]
    fn each_kind_has_the_name_that_its_payload_says() {
        let email = "ada@example.com".to_owned();
        let user = UserId::new(uuid::Uuid::nil());
        let all = [
            (Job::Check, r#"{"kind":"check"}"#),
            (
                Job::DigestDue {
                    user,
                    since: Timestamp::from_seconds(0),
                    until: Timestamp::from_seconds(1),
                },
                r#"{"kind":"digest_due","user":"00000000-0000-0000-0000-000000000000","since":"1970-01-01T00:00:00Z","until":"1970-01-01T00:00:01Z"}"#,
            ),
            (
                Job::SignInLinkRequested { email: email.clone() },
                r#"{"kind":"sign_in_link_requested","email":"ada@example.com"}"#,
            ),
            (
                Job::AddressChanged { email: email.clone(), side: AddressSide::New },
                r#"{"kind":"address_changed","email":"ada@example.com","side":"new"}"#,
            ),
            (
                Job::ResetRequested { email },
                r#"{"kind":"reset_requested","email":"ada@example.com"}"#,
            ),
            (
                Job::VerificationRequested { user },
                r#"{"kind":"verification_requested","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::SignUpRequested { user },
                r#"{"kind":"sign_up_requested","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::AddressChangeRequested { user, side: AddressSide::Old },
                r#"{"kind":"address_change_requested","user":"00000000-0000-0000-0000-000000000000","side":"old"}"#,
            ),
            (
                Job::AccountDeleted { user },
                r#"{"kind":"account_deleted","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::ErasureDue { user },
                r#"{"kind":"erasure_due","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::PaymentsChanged { customer: "cus_1".to_owned() },
                r#"{"kind":"payments_changed","customer":"cus_1"}"#,
            ),
            (
                Job::ChargeReversed { charge: "ch_1".to_owned() },
                r#"{"kind":"charge_reversed","charge":"ch_1"}"#,
            ),
            (
                Job::PaymentsSwept {
                    begun_at: Some(Timestamp::from_seconds(1)),
                    after: Some("sub_1".to_owned()),
                },
                r#"{"kind":"payments_swept","begun_at":"1970-01-01T00:00:01Z","after":"sub_1"}"#,
            ),
            (
                Job::TelegramFollows { user },
                r#"{"kind":"telegram_follows","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::DiscordFollows { user },
                r#"{"kind":"discord_follows","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
            (
                Job::SubscriptionsEnd { user },
                r#"{"kind":"subscriptions_end","user":"00000000-0000-0000-0000-000000000000"}"#,
            ),
        ];
        for (job, payload) in &all {
            assert_eq!(job.to_payload().unwrap(), *payload);
            assert_eq!(Job::from_payload(payload).unwrap(), *job);
            assert!(payload.starts_with(&format!(r#"{{"kind":"{}""#, job.kind())), "{payload}");
        }
        for (job, _) in &all {
            let lanes = Lane::ALL.map(|lane| lane.kinds().contains(&job.kind()));
            assert_eq!(lanes, Lane::ALL.map(|lane| lane == job.lane()), "{}", job.kind());
        }
        assert_eq!(all.len(), Lane::ALL.iter().map(|lane| lane.kinds().len()).sum::<usize>());
        assert!(Job::from_payload(r#"{"kind":"from_the_future"}"#).is_err());
    }
}
