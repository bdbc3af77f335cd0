//! Mail by SMTP, or into a folder.

mod message;
mod outbox;
mod server_url;
mod settings;
mod smtp;

pub use outbox::Outbox;
pub use settings::MailSettings;
pub use smtp::SmtpMailer;

use crate::SettingsError;

/// Everything that is wrong with the section, found without a connection.
pub fn problems(settings: &MailSettings) -> Vec<SettingsError> {
    let smtp = settings.smtp.iter().filter_map(|url| server_url::check(url.reveal()).err());
    smtp.chain(message::sender(&settings.from).err()).collect()
}
