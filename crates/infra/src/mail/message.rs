//! A mail as it travels.

use alpine_domain::{Error, Result, ports::mail::Mail};
use lettre::{
    Message,
    message::{Mailbox, MultiPart},
};

use crate::SettingsError;

/// Reads `mail.from`.
pub(super) fn sender(from: &str) -> Result<Mailbox, SettingsError> {
    let remedy = "write an address, or Name <name@example.com>";
    from.parse().map_err(|error| SettingsError::new("mail.from", format!("{error}"), remedy))
}

/// The mail in the format of RFC 5322, with both forms of its text.
///
/// # Errors
/// [`Error::Invalid`] for an address that mail cannot be sent to.
pub(super) fn message(from: &Mailbox, mail: &Mail) -> Result<Message> {
    // Every server understands the ASCII form of a domain (RFC 5891, section 4.4); others need SMTPUTF8.
    let to = mail
        .to()
        .rsplit_once('@')
        .and_then(|(name, domain)| Some(format!("{name}@{}", idna::domain_to_ascii(domain).ok()?)));
    let to = to.as_deref().unwrap_or(mail.to()).parse().map_err(|error| {
        Error::invalid("to", format!("is an address that mail cannot be sent to: {error}"))
    })?;
    let parts = MultiPart::alternative_plain_html(mail.text().to_owned(), mail.html().to_owned());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(mail.subject())
        .message_id(None)
        .multipart(parts)
        .map_err(Error::internal)
}
