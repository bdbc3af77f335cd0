//! Who asks for an account.

use super::{Email, FullName, NewPassword};
use crate::{Error, Result, error::Refusals};

/// The owner of a new account: every part is valid, and the password is not the address.
#[derive(Debug, Clone)]
pub struct Registration {
    pub(super) email: Email,
    pub(super) password: NewPassword,
    pub(super) full_name: FullName,
}

pub(super) const PASSWORD_IS_EMAIL: &str = "must not be the e-mail address";

impl Registration {
    /// From parts that are valid by themselves.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a password that is the address.
    pub fn new(email: Email, password: NewPassword, full_name: FullName) -> Result<Self> {
        if password.is(&email) {
            return Err(Error::invalid("password", PASSWORD_IS_EMAIL));
        }
        Ok(Self { email, password, full_name })
    }

    /// From texts.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused part.
    pub fn parse(email: &str, password: &str, full_name: &str) -> Result<Self> {
        let mut refusals = Refusals::default();
        let email = refusals.check("email", email.parse::<Email>());
        let password = refusals.check("password", NewPassword::parse(password));
        let full_name = refusals.check("full_name", full_name.parse::<FullName>());
        match (email, password, full_name) {
            (Some(email), Some(password), Some(full_name)) => Self::new(email, password, full_name),
            (Some(email), Some(password), None) if password.is(&email) => {
                refusals.add("password", PASSWORD_IS_EMAIL);
                Err(Error::Invalid(refusals.into_errors()))
            }
            _ => Err(Error::Invalid(refusals.into_errors())),
        }
    }

    /// The address.
    pub const fn email(&self) -> &Email {
        &self.email
    }
}
