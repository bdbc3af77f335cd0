//! Mails to the owners of accounts: what they say, in text and in HTML.

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::{Account, AccountStore, Email, MailPurpose, MailToken, Secret, digest, lookup::find};
use crate::{
    Clock, Error, Result, Timestamp,
    jobs::{Job, NewJob},
    ports::{
        mail::{Mail, Mailer},
        secrets::Randomness,
    },
};

/// A paragraph of a mail.
pub(super) enum Part<'a> {
    /// As it is.
    Text(Cow<'a, str>),
    /// A link to a page of the website, or the token alone where there is no website.
    Token {
        /// The page.
        page: &'a str,
        /// What the page is given.
        token: &'a Secret,
    },
}

impl Part<'_> {
    fn in_text(&self, website: Option<&str>) -> String {
        match (self, website) {
            (Self::Text(text), _) => text.clone().into_owned(),
            (Self::Token { page, token }, Some(website)) => {
                format!("{website}/{page}?token={}", token.reveal())
            }
            (Self::Token { token, .. }, None) => token.reveal().to_owned(),
        }
    }

    fn in_html(&self, website: Option<&str>) -> String {
        let text = escaped(&self.in_text(website));
        match (self, website) {
            (Self::Text(_), _) => text,
            (Self::Token { .. }, Some(_)) => format!("<a href=\"{text}\">{text}</a>"),
            (Self::Token { .. }, None) => format!("<code>{text}</code>"),
        }
    }
}

/// A mail of these paragraphs in both forms, whose links lead to `website`, which has no slash at its end.
pub(super) fn compose(
    website: Option<&str>,
    to: &Email,
    subject: &str,
    parts: &[Part<'_>],
) -> Result<Mail> {
    let text: Vec<_> = parts.iter().map(|part| part.in_text(website)).collect();
    let html: Vec<_> = parts.iter().map(|part| part.in_html(website)).collect();
    let text = format!("{}\n", text.join("\n\n"));
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n<p>{}</p>\n</body>\n</html>\n",
        html.join("</p>\n<p>")
    );
    Mail::new(to.as_str(), subject, text, html)
}

/// One answer for a token that is unknown, used, replaced or old.
pub(super) fn refused() -> Error {
    Error::invalid("token", "is not good, or not any more; ask for another mail")
}

/// What has a mail of this kind sent to an address that somebody typed: once while it waits.
///
/// # Errors
/// [`Error::Invalid`] for what is no address.
pub(super) fn asked_for(
    email: &str,
    purpose: MailPurpose,
    job: impl FnOnce(String) -> Job,
    now: Timestamp,
) -> Result<NewJob> {
    if Email::as_typed(email).next().is_none() {
        let reason = email.parse::<Email>().err().map(|reason| reason.to_string());
        return Err(Error::invalid("email", reason.unwrap_or_default()));
    }
    let key = format!("{}:{}", purpose.as_str(), digest(&Email::folded(email)));
    Ok(NewJob::new(job(email.trim().to_owned()), now).once_for(key))
}

/// A text as it stands in HTML, also within quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A mail by which the owner of an account proves to read what is sent to its address.
pub(super) struct Letter {
    /// What the token in it is good for.
    pub(super) purpose: MailPurpose,
    /// How long.
    pub(super) ttl: Duration,
    /// What the mail is about.
    pub(super) subject: &'static str,
    /// What happened, before the name of the account.
    pub(super) happened: &'static str,
    /// What to do with the link.
    pub(super) with_link: &'static str,
    /// What to do with the token, where there is no website.
    pub(super) with_token: &'static str,
    /// The page that the link leads to.
    pub(super) page: &'static str,
    /// What happens otherwise.
    pub(super) otherwise: &'static str,
}

/// Makes tokens for owners of accounts, and sends them.
#[derive(Clone)]
pub struct Letters {
    /// Keeps users and their tokens.
    pub store: Arc<dyn AccountStore>,
    /// Hands over mail.
    pub mailer: Arc<dyn Mailer>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes tokens.
    pub randomness: Arc<dyn Randomness>,
    /// Where links lead to, without a slash at its end. Without one, mails hold the token alone.
    pub website: Option<String>,
}

impl Letters {
    /// Makes a token for this account, in the place of an older one of the same purpose, and sends it to its
    /// address. Nothing is made or sent if the account is disabled, or has another address by now.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub(super) async fn send_token(&self, account: &Account, letter: &Letter) -> Result<()> {
        let (email, now) = (&account.email, self.clock.now());
        let (token, mail) = self.with_token(email, letter)?;
        let stored = MailToken {
            user: account.id,
            email: email.clone(),
            purpose: letter.purpose,
            token_hash: digest(token.reveal()),
            created_at: now,
            expires_at: now.later(letter.ttl),
        };
        if !self.store.put_mail_token(stored).await? {
            return Ok(());
        }
        self.mailer.send(&mail).await
    }

    /// The same for the account of an address that somebody typed. No account gets nothing.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub(super) async fn send_token_to(&self, email: &str, letter: &Letter) -> Result<()> {
        match find(&*self.store, email).await? {
            Some((account, _)) => self.send_token(&account, letter).await,
            None => Ok(()),
        }
    }

    /// Sends a mail of these paragraphs, without a token.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub(crate) async fn send_text(
        &self,
        to: &Email,
        subject: &str,
        paragraphs: &[String],
    ) -> Result<()> {
        let parts: Vec<_> =
            paragraphs.iter().map(|text| Part::Text(text.as_str().into())).collect();
        self.mailer.send(&compose(self.website.as_deref(), to, subject, &parts)?).await
    }

    /// A token, and the mail in which it stands.
    pub(super) fn with_token(&self, email: &Email, letter: &Letter) -> Result<(Secret, Mail)> {
        let mut bytes = [0; 32];
        self.randomness.fill(&mut bytes);
        let token = Secret::new(hex::encode(bytes));
        let asks = if self.website.is_some() { letter.with_link } else { letter.with_token };
        let parts = [
            Part::Text(format!("{} {email}.", letter.happened).into()),
            Part::Text(asks.into()),
            Part::Token { page: letter.page, token: &token },
            Part::Text(letter.otherwise.into()),
        ];
        let mail = compose(self.website.as_deref(), email, letter.subject, &parts)?;
        Ok((token, mail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_reads_otherwise_is_escaped() {
        assert_eq!(escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
    }

    #[test]
    fn without_a_website_the_token_stands_alone() {
        let to: Email = "ada@example.com".parse().unwrap();
        let token = Secret::new("t<");
        let parts = [Part::Text("a & b".into()), Part::Token { page: "x", token: &token }];
        let mail = compose(None, &to, "About", &parts).unwrap();
        assert_eq!(mail.text(), "a & b\n\nt<\n");
        assert!(mail.html().contains("<p>a &amp; b</p>\n<p><code>t&lt;</code></p>"));
        let mail = compose(Some("https://a.example"), &to, "About", &parts).unwrap();
        assert_eq!(mail.text(), "a & b\n\nhttps://a.example/x?token=t<\n");
        let link = "https://a.example/x?token=t&lt;";
        assert!(mail.html().contains(&format!("<a href=\"{link}\">{link}</a>")));
    }
}
