//! Mail by a server that takes it.

use std::time::Duration;

use alpine_domain::{
    Error, Result,
    ports::mail::{Mail, Mailer},
};
use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{Error as SmtpError, PoolConfig, response::Code},
};
use tokio::{runtime::Handle, time::timeout};

use super::{
    MailSettings,
    message::{message, sender},
    server_url,
};
use crate::SettingsError;

/// Connections at most.
const CONNECTIONS: u32 = 4;
/// How long one is kept without use. Servers end idle ones after minutes (RFC 5321, section 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(20);

/// Hands each mail to an SMTP server. A connection is kept for a moment, so that nobody waits for its end: a mail
/// that the server has taken is done.
pub struct SmtpMailer {
    transport: Pooled,
    from: Mailbox,
    limit: Duration,
}

impl SmtpMailer {
    /// Opens no connection yet. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// `mail.smtp` or `mail.from` that cannot be read; the password is not repeated.
    pub fn new(url: &str, settings: &MailSettings) -> Result<Self, SettingsError> {
        server_url::check(url)?;
        // What the reader says of it may repeat the password.
        let unreadable = |_| SettingsError::new("mail.smtp", "cannot be read", server_url::REMEDY);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(unreadable)?;
        let from = sender(&settings.from)?;
        let pool = PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE);
        Ok(Self {
            transport: Pooled {
                connections: Some(
                    transport.timeout(Some(settings.timeout)).pool_config(pool).build(),
                ),
                runtime: Handle::current(),
            },
            from,
            limit: settings.timeout,
        })
    }
}

/// Connections to the server, which end on a task when they are dropped, on whatever thread that is.
struct Pooled {
    /// `None` while it is dropped.
    connections: Option<AsyncSmtpTransport<Tokio1Executor>>,
    runtime: Handle,
}

impl Pooled {
    fn get(&self) -> Result<&AsyncSmtpTransport<Tokio1Executor>> {
        let gone = || Error::unavailable("the mail server", "its connections have ended");
        self.connections.as_ref().ok_or_else(gone)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let _runtime = self.runtime.enter();
        self.connections = None;
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<()> {
        let message = message(&self.from, mail)?;
        match timeout(self.limit, self.transport.get()?.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.judged(&error).await),
            Err(late) => Err(Error::unavailable("the mail server", late)),
        }
    }
}

impl SmtpMailer {
    /// Whether the server answers and lets this instance in. No mail is sent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the codes of its answer.
    pub async fn check(&self) -> Result<()> {
        let refused = |text: String| Error::unavailable("the mail server", text);
        match timeout(self.limit, self.transport.get()?.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(refused("it does not answer".to_owned())),
            Ok(Err(error)) => Err(refused(told(&error))),
            Err(late) => Err(refused(late.to_string())),
        }
    }

    /// 5xx is for good (RFC 5321, section 4.2.1) where it is about this mail, and so is what cannot be written as a
    /// mail at all. Where the server takes nobody's mail, because the password was changed for example, and for
    /// everything else the mail is tried again.
    async fn judged(&self, error: &SmtpError) -> Error {
        let told = told(error);
        if error.is_client() || (error.is_permanent() && self.takes_mail().await) {
            Error::invalid("mail", format!("is refused by the mail server: {told}"))
        } else {
            Error::unavailable("the mail server", told)
        }
    }

    /// Whether the server lets this instance in.
    async fn takes_mail(&self) -> bool {
        let Ok(transport) = self.transport.get() else { return false };
        let lets_in = timeout(self.limit, transport.test_connection()).await;
        matches!(lets_in, Ok(Ok(true)))
    }
}

/// What is known of an answer of the server: its codes. Its text may quote the mail, and with it a link that lets
/// somebody in.
fn codes(code: Code, text: &str) -> String {
    let enhanced = text.split(' ').next().filter(|word| {
        // RFC 3463, section 2: class, subject and detail.
        let parts: Vec<&str> = word.split('.').collect();
        let is_number = |part: &&str| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        parts.len() == 3 && parts.iter().all(is_number)
    });
    enhanced.map_or_else(|| code.to_string(), |enhanced| format!("{code} {enhanced}"))
}

/// The error with its causes, for operators.
fn told(error: &SmtpError) -> String {
    if let Some(code) = error.status() {
        let text = std::error::Error::source(error).map(ToString::to_string);
        return codes(code, &text.unwrap_or_default());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
