//! What is said of the routes of accounts.

use super::{bodies, views};
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
        .problems(&[&problem::EMAIL_TAKEN, &problem::UNAVAILABLE])
}

pub(crate) fn sign_in() -> Doc {
    doc("Sign in", "Signed in.")
        .takes::<bodies::SignInRequest>(JSON)
        .takes::<bodies::SignInForm>("application/x-www-form-urlencoded")
        .gives::<views::SignedInView<'_>>()
        .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE])
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
    doc("End every session", "Signed out.").gives::<Message<'_>>()
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
        .problems(&[&problem::EMAIL_TAKEN, &problem::FORBIDDEN])
}

pub(crate) fn list_api_keys() -> Doc {
    doc("The user's API keys", "The keys' names, never the keys.").gives::<views::ApiKeysView<'_>>()
}

pub(crate) fn create_api_key() -> Doc {
    doc("Make an API key (elite tier)", "The key, shown this once.")
        .takes::<bodies::ApiKeyRequest>(JSON)
        .gives::<views::NewApiKeyView<'_>>()
        .created()
        .problems(&[&problem::LIMIT_REACHED])
}

pub(crate) fn revoke_api_key() -> Doc {
    doc("Revoke an API key", "Revoked.").gives::<Message<'_>>()
}
