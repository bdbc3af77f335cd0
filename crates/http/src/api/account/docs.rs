//! What is said of the routes of accounts.

use super::{bodies, person, views};
use crate::{
    context::Message,
    doc::{Doc, Extra},
    json::MEDIA_TYPE as JSON,
    problem,
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("accounts", summary, answer)
}

pub(crate) fn sign_up() -> Doc {
    doc("Make an account", "Signed in.")
        .takes::<bodies::SignUpRequest>(JSON)
        .gives::<views::SignedInView<'_>>()
        .created()
        .or_gives::<Message<'_>>(202, "Where sign-ups are confirmed: a mail is on its way, whether or not there is an account.")
        .problems(&[&problem::EMAIL_TAKEN, &problem::UNAVAILABLE])
}

pub(crate) fn confirm_sign_up() -> Doc {
    doc("Finish signing up with what was mailed and the password that was chosen", "Signed in.")
        .takes::<bodies::ConfirmSignUpRequest>(JSON)
        .gives::<views::SignedInView<'_>>()
        .created()
        .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn sign_in() -> Doc {
    doc("Sign in", "Signed in, or `requires_2fa`.")
        .takes::<bodies::SignInRequest>(JSON)
        .takes::<bodies::SignInForm>("application/x-www-form-urlencoded")
        .gives::<views::SignedInView<'_>>()
        .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE])
}

pub(crate) fn verify_sign_in() -> Doc {
    doc("Sign in with a code, after the password", "Signed in.")
        .takes::<bodies::VerifySignInRequest>(JSON)
        .gives::<views::SignedInView<'_>>()
        .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE])
}

pub(crate) fn factor_status() -> Doc {
    doc("Whether a code is asked for at sign-in", "The state.").gives::<views::FactorStatusView>()
}

pub(crate) fn set_up_factor() -> Doc {
    doc("Make a secret for an authenticator", "Shown this once; nothing is asked for yet.")
        .gives::<views::FactorSetupView<'_>>()
        .problems(&[&problem::SECOND_FACTOR_ON, &problem::UNAVAILABLE])
}

pub(crate) fn enable_factor() -> Doc {
    doc("Ask for codes of the authenticator that was set up", "On. Sessions stay.")
        .takes::<bodies::PasswordAndCodeRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::FORBIDDEN, &problem::SECOND_FACTOR_ON, &problem::UNAVAILABLE])
}

pub(crate) fn verify_factor() -> Doc {
    doc("Try a code, which uses it up", "It is right.")
        .takes::<bodies::CodeRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::FORBIDDEN, &problem::UNAVAILABLE])
}

pub(crate) fn renew_backup_codes() -> Doc {
    doc("Make other backup codes in the place of all", "Shown this once.")
        .takes::<bodies::PasswordAndCodeRequest>(JSON)
        .gives::<views::BackupCodesView<'_>>()
        .problems(&[&problem::FORBIDDEN, &problem::UNAVAILABLE])
}

pub(crate) fn disable_factor() -> Doc {
    doc("Ask for no code any more", "Off.")
        .takes::<bodies::PasswordAndCodeRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::FORBIDDEN, &problem::UNAVAILABLE])
}

pub(crate) fn forgot_password() -> Doc {
    doc("Ask for a mail with which to set another password", "The same for every address.")
        .takes::<bodies::ForgotPasswordRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn reset_password() -> Doc {
    doc("Set another password with what was mailed", "Changed. Every session has ended.")
        .takes::<bodies::ResetPasswordRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn request_sign_in_link() -> Doc {
    doc("Ask for a mail with which to sign in without the password", "The same for every address.")
        .takes::<bodies::SignInLinkRequest>(JSON)
        .gives::<Message<'_>>()
        .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn sign_in_by_link() -> Doc {
    doc("Sign in with what was mailed", "Tokens, or the question for a code.")
        .takes::<bodies::MailedTokenRequest>(JSON)
        .gives::<views::SignedInView<'_>>()
        .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE])
}

pub(crate) fn verify_email() -> Doc {
    doc("Confirm the account's address with what was mailed", "Confirmed.")
        .takes::<bodies::VerifyEmailRequest>(JSON)
        .gives::<Message<'_>>()
}

pub(crate) fn confirm_address() -> Doc {
    doc("Confirm a change of address with what was mailed to one of the two", "Confirmed.")
        .takes::<bodies::ConfirmAddressRequest>(JSON)
        .gives::<Message<'_>>()
}

pub(crate) fn resend_verification() -> Doc {
    doc("Ask for another mail that confirms the address", "Sent, unless it is confirmed.")
        .gives::<Message<'_>>()
}

pub(crate) fn refresh() -> Doc {
    doc("Trade a refresh token for a new pair", "A new pair.")
        .takes::<bodies::RefreshRequest>(JSON)
        .gives::<views::SignedInView<'_>>()
        .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE])
}

pub(crate) fn sign_out() -> Doc {
    doc("End this session", "Signed out.").gives::<Message<'_>>()
}

pub(crate) fn sign_out_everywhere() -> Doc {
    doc("End every session, and every API key if the body says so", "Signed out.")
        .may_take::<bodies::SignOutRequest>(JSON)
        .gives::<Message<'_>>()
}

pub(crate) fn profile() -> Doc {
    doc("The signed-in user", "The profile.")
        .gives::<views::ProfileView<'_>>()
        .with(Extra::Validator)
}

pub(crate) fn update_profile() -> Doc {
    doc("Change name or address", "The profile.")
        .takes::<bodies::ProfileChangeRequest>(JSON)
        .gives::<views::ProfileView<'_>>()
        .or_gives::<Message<'_>>(
            202,
            "Where addresses are confirmed: the new one waits for mails to both.",
        )
        .problems(&[&problem::EMAIL_TAKEN, &problem::FORBIDDEN])
}

pub(crate) fn change_password() -> Doc {
    doc("Change the password", "Changed. Every session has ended; the tokens are of a new one.")
        .takes::<bodies::PasswordChangeRequest>(JSON)
        .gives::<views::PasswordChangedView<'_>>()
        .problems(&[&problem::FORBIDDEN, &problem::UNAVAILABLE])
}

pub(crate) fn delete_account() -> Doc {
    doc(
        "Delete the account",
        "Deleted. Everything has ended; what is personal is erased on the day that is told.",
    )
    .takes::<bodies::PasswordRequest>(JSON)
    .gives::<Message<'_>>()
    .problems(&[&problem::FORBIDDEN, &problem::LAST_ADMIN, &problem::UNAVAILABLE])
}

pub(crate) fn export_person() -> Doc {
    doc("What is kept about the user", "A file.")
        .gives::<person::PersonalDataView<'_>>()
        .with(Extra::Attachment)
}

pub(crate) fn list_sessions() -> Doc {
    doc("The user's sessions", "Those that are live, the newest first, a hundred at most.")
        .gives::<views::SessionsView<'_>>()
}

pub(crate) fn end_session() -> Doc {
    doc("End one session", "Ended. Its tokens are refused.").gives::<Message<'_>>()
}

pub(crate) fn list_api_keys() -> Doc {
    doc("The user's API keys", "The keys' names, never the keys.").gives::<views::ApiKeysView<'_>>()
}

pub(crate) fn create_api_key() -> Doc {
    doc("Make an API key", "The key, shown this once.")
        .takes::<bodies::ApiKeyRequest>(JSON)
        .gives::<views::NewApiKeyView<'_>>()
        .created()
        .problems(&[&problem::LIMIT_REACHED])
}

pub(crate) fn revoke_api_key() -> Doc {
    doc("Revoke an API key", "Revoked.").gives::<Message<'_>>()
}
