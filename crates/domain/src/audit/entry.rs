//! One line of the audit log.

use super::{Origin, Party};
use crate::{
    Timestamp,
    account::{Account, AddressDigest, Role, Tier},
    text_enum::text_enum,
};

text_enum!(
    /// What was done, or refused.
    Action, {
        /// An account was made.
        AccountCreated = "account_created",
        /// A session was opened.
        SignIn = "sign_in",
        /// A session was ended by its user.
        SignOut = "sign_out",
        /// Every session of a user was ended.
        SignOutEverywhere = "sign_out_everywhere",
        /// Every session of everybody was ended.
        SignOutEverybody = "sign_out_everybody",
        /// A used refresh token was presented again, which ended its session.
        RefreshReplayed = "refresh_replayed",
        /// The current password was asked for, to change something that needs it. Only refusals are told.
        PasswordProved = "password_proved",
        /// Two-factor sign-in was switched on.
        SecondFactorOn = "second_factor_on",
        /// Two-factor sign-in was switched off.
        SecondFactorOff = "second_factor_off",
        /// Other backup codes were made.
        BackupCodesRenewed = "backup_codes_renewed",
        /// A code was asked for, to see that it works or to change something that needs it. Only refusals
        /// are told.
        CodeProved = "code_proved",
        /// An account's name was changed.
        ProfileChanged = "profile_changed",
        /// An account's address was changed.
        EmailChanged = "email_changed",
        /// An account's address was confirmed by what was mailed there.
        AddressVerified = "address_verified",
        /// A password was changed by who knew the old one.
        PasswordChanged = "password_changed",
        /// A password was set by a token that was mailed.
        PasswordReset = "password_reset",
        /// An account's tier was changed.
        TierChanged = "tier_changed",
        /// An account's role was changed.
        RoleChanged = "role_changed",
        /// An account was enabled or disabled.
        ActivationChanged = "activation_changed",
        /// An account was deleted by its owner.
        AccountDeleted = "account_deleted",
        /// What was personal of a deleted account was erased.
        AccountErased = "account_erased",
        /// An existing account was made an administrator's, with another password.
        AdminPromoted = "admin_promoted",
        /// A user's API key was made.
        ApiKeyCreated = "api_key_created",
        /// A user's API key was revoked.
        ApiKeyRevoked = "api_key_revoked",
        /// A producer was made.
        ProducerCreated = "producer_created",
        /// A producer got another key.
        ProducerKeyRotated = "producer_key_rotated",
        /// A producer was disabled.
        ProducerDisabled = "producer_disabled",
        /// A producer was enabled.
        ProducerEnabled = "producer_enabled",
        /// A job that failed is tried anew.
        JobRetried = "job_retried",
        /// An operator had an instance show that it works off jobs.
        JobsChecked = "jobs_checked",
        /// An operator had sums counted anew.
        FiguresRebuilt = "figures_rebuilt",
        /// There were too many attempts at signing in, signing up or proving a password.
        AttemptsLimited = "attempts_limited",
        /// A caller asked for what its role does not permit.
        AccessDenied = "access_denied",
    }
);

text_enum!(
    /// What came of it.
    Outcome, {
        /// It was done.
        Success = "success",
        /// It was refused.
        Denied = "denied",
    }
);

text_enum!(
    /// Why something was refused.
    Reason, {
        /// There is no such account.
        UnknownAccount = "unknown_account",
        /// The password is wrong.
        WrongPassword = "wrong_password",
        /// The code is wrong, or was used before.
        WrongCode = "wrong_code",
        /// The account is disabled.
        Disabled = "disabled",
        /// The caller's role does not permit it.
        NotPermitted = "not_permitted",
        /// There were too many attempts.
        LimitReached = "limit_reached",
        /// A token came a second time.
        Replayed = "replayed",
    }
);

impl Action {
    /// Whether the line, when what it tells was done, concerns security by itself: it ends, makes or extends access. What was refused
    /// always does.
    pub const fn is_security(self) -> bool {
        match self {
            Self::SignOutEverywhere
            | Self::SignOutEverybody
            | Self::RefreshReplayed
            | Self::EmailChanged
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::BackupCodesRenewed
            | Self::RoleChanged
            | Self::ActivationChanged
            | Self::AccountDeleted
            | Self::AdminPromoted
            | Self::ApiKeyCreated
            | Self::ApiKeyRevoked
            | Self::ProducerCreated
            | Self::ProducerKeyRotated
            | Self::ProducerDisabled
            | Self::ProducerEnabled
            | Self::AttemptsLimited
            | Self::AccessDenied => true,
            Self::AccountCreated
            | Self::AccountErased
            | Self::SignIn
            | Self::SignOut
            | Self::PasswordProved
            | Self::CodeProved
            | Self::ProfileChanged
            | Self::AddressVerified
            | Self::TierChanged
            | Self::JobRetried
            | Self::FiguresRebuilt
            | Self::JobsChecked => false,
        }
    }
}

/// What the cause of a line knows; the rest comes from the [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    at: Timestamp,
    action: Action,
    outcome: Outcome,
    actor: Option<Party>,
    subject: Option<Party>,
    reason: Option<String>,
    detail: Option<String>,
}

impl Entry {
    /// `action` was done at `at`.
    pub const fn new(at: Timestamp, action: Action) -> Self {
        let (outcome, actor) = (Outcome::Success, None);
        Self { at, action, outcome, actor, subject: None, reason: None, detail: None }
    }

    /// The same, done to `subject`.
    #[must_use]
    pub fn on(self, subject: impl Into<Party>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same, done by `actor` if the origin names nobody: who signs in is known by then.
    #[must_use]
    pub fn by(self, actor: impl Into<Party>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// The same, with the words of who did it.
    #[must_use]
    pub fn because(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// The same, with what changed: `free -> pro`. No personal data and no secrets.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same, refused.
    #[must_use]
    pub fn denied(self, reason: Reason) -> Self {
        Self { outcome: Outcome::Denied, reason: Some(reason.as_str().to_owned()), ..self }
    }

    /// The whole line.
    pub fn line(self, origin: &Origin) -> AuditLine {
        let Self { at, action, outcome, actor, subject, reason, detail } = self;
        let Origin { actor: asked, address, request_id } = origin.clone();
        let actor = match (asked, actor) {
            (Party::Anonymous, Some(actor)) => actor,
            (asked, _) => asked,
        };
        let count = 1;
        AuditLine {
            at,
            action,
            outcome,
            actor,
            subject,
            address,
            request_id,
            reason,
            detail,
            count,
        }
    }
}

/// What tells that an account has another tier, another role, or both.
pub fn tier_and_role_changed(
    old: &Account,
    tier: Tier,
    role: Role,
    now: Timestamp,
) -> impl Iterator<Item = Entry> {
    let changed = |action, from: &str, to: &str| {
        let entry = Entry::new(now, action).on(old.id).with(format!("{from} -> {to}"));
        (from != to).then_some(entry)
    };
    let tier = changed(Action::TierChanged, old.tier.as_str(), tier.as_str());
    tier.into_iter().chain(changed(Action::RoleChanged, old.role.as_str(), role.as_str()))
}

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// When it was done; of several at once, the first.
    pub at: Timestamp,
    /// What was done.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Party,
    /// To whom or what.
    pub subject: Option<Party>,
    /// From where; `None` if no client did it.
    pub address: Option<AddressDigest>,
    /// The id of the request; of several at once, the first.
    pub request_id: Option<String>,
    /// Why: a [`Reason`] of a refusal, or an administrator's words.
    pub reason: Option<String>,
    /// What changed.
    pub detail: Option<String>,
    /// How many such things this line stands for, 1 or more.
    pub count: u32,
}

impl AuditLine {
    /// Whether it is listed among what concerns security.
    pub fn is_security(&self) -> bool {
        self.outcome == Outcome::Denied || self.action.is_security()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::UserId;

    #[test]
    fn the_origin_names_the_actor_unless_it_is_nobody() {
        let user = UserId::generate(Timestamp::from_seconds(1), [7; 10]);
        let entry = Entry::new(Timestamp::from_seconds(1), Action::SignIn).on(user).by(user);
        let origin = |actor| Origin { actor, ..Origin::default() };
        let actor = |origin: &Origin| entry.clone().line(origin).actor;
        assert_eq!(actor(&origin(Party::Anonymous)), Party::User(user));
        assert_eq!(actor(&origin(Party::Operator)), Party::Operator);
    }

    #[test]
    fn what_was_refused_concerns_security_whatever_it_was() {
        let entry = Entry::new(Timestamp::from_seconds(1), Action::SignIn);
        assert!(!entry.clone().line(&Origin::default()).is_security());
        assert!(entry.denied(Reason::WrongPassword).line(&Origin::default()).is_security());
    }
}
