//! Lists of accounts: what is asked for, and where a page ends.

use std::{fmt, str::FromStr};

use crate::{
    Timestamp,
    account::{Account, Role, Tier, UserId, email::normal},
};

/// The beginning of an e-mail address, in lower case and NFC as addresses are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailPrefix(String);

impl EmailPrefix {
    /// Characters at most, as they are typed.
    pub const MAX_CHARS: usize = 254;
    /// An ECMA-262 pattern that it matches.
    pub const PATTERN: &'static str = r"^[^\s\x00-\x1F\x7F-\x9F]+$";

    /// The beginning.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text may stand in an address, as far as lists look at that.
fn is_part_of_an_address(text: &str) -> bool {
    (1..=EmailPrefix::MAX_CHARS).contains(&text.chars().count())
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

impl FromStr for EmailPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_one = is_part_of_an_address(text);
        is_one.then(|| Self(normal(text))).ok_or("must have 1 to 254 characters and no spaces")
    }
}

impl fmt::Display for EmailPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a page ended. Travels as text that clients treat as opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserPosition {
    /// Of a list with the newest account first: after this one.
    Newest {
        /// When it was made.
        created_at: Timestamp,
        /// Its id, which breaks ties.
        id: UserId,
    },
    /// Of a list by address: after this one.
    Address(String),
}

impl UserPosition {
    /// Characters of its text at most: what stands before an address, and the address.
    pub const MAX_CHARS: usize = 256;
    /// An ECMA-262 pattern that its text matches.
    pub const PATTERN: &'static str = r"^(-?[0-9]{1,16}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|a_[^\s\x00-\x1F\x7F-\x9F]{1,254})$";
}

impl fmt::Display for UserPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { created_at, id } => write!(f, "{}_{id}", created_at.micros()),
            Self::Address(address) => write!(f, "a_{address}"),
        }
    }
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list: pass `next_cursor` of the page before, unchanged")]
pub struct InvalidUserPosition;

impl FromStr for UserPosition {
    type Err = InvalidUserPosition;

    fn from_str(text: &str) -> Result<Self, InvalidUserPosition> {
        let (head, rest) = text.split_once('_').ok_or(InvalidUserPosition)?;
        if head == "a" {
            let is_address = is_part_of_an_address(rest);
            return is_address.then(|| Self::Address(rest.to_owned())).ok_or(InvalidUserPosition);
        }
        let micros = head.parse().map_err(|_| InvalidUserPosition)?;
        let created_at = Timestamp::try_from_micros(micros).map_err(|_| InvalidUserPosition)?;
        let id = rest.parse().map_err(|_| InvalidUserPosition)?;
        Ok(Self::Newest { created_at, id })
    }
}

/// Which accounts; `None` leaves a condition out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Those that pay for this.
    pub tier: Option<Tier>,
    /// Those that are enabled, or disabled.
    pub is_active: Option<bool>,
    /// Those with this role.
    pub role: Option<Role>,
    /// Those whose address begins like this. Such a list is in order of addresses; any other has the newest first.
    pub search: Option<EmailPrefix>,
}

impl UserFilter {
    /// Whether the account is meant.
    pub fn admits(&self, account: &Account) -> bool {
        let Self { tier, is_active, role, search } = self;
        tier.is_none_or(|tier| account.tier == tier)
            && is_active.is_none_or(|is_active| account.is_active == is_active)
            && role.is_none_or(|role| account.role == role)
            && search.as_ref().is_none_or(|it| account.email.as_str().starts_with(it.as_str()))
    }

    /// Where a page of this list ends whose last account is this one.
    pub fn position(&self, last: &Account) -> UserPosition {
        match self.search {
            Some(_) => UserPosition::Address(last.email.as_str().to_owned()),
            None => UserPosition::Newest { created_at: last.created_at, id: last.id },
        }
    }
}

/// A part of a list of accounts. A position wins over the offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserQuery {
    /// Which accounts.
    pub filter: UserFilter,
    /// Accounts at most.
    pub limit: u32,
    /// Accounts to pass over, when there is no position; at most [`TOTAL_CAP`](crate::page::TOTAL_CAP).
    pub offset: u32,
    /// Where the page before ended.
    pub after: Option<UserPosition>,
}

impl UserQuery {
    /// The accounts to pass over.
    pub const fn passed_over(&self) -> u32 {
        if self.after.is_some() { 0 } else { self.offset }
    }
}

/// One page of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The accounts.
    pub items: Vec<Account>,
    /// How many there are in all, counted up to [`TOTAL_CAP`](crate::page::TOTAL_CAP).
    pub total: u32,
    /// Whether counting stopped there.
    pub total_capped: bool,
    /// Where the next page starts, if there is one.
    pub next: Option<UserPosition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_their_text() {
        let id = "0194702c-1a40-7000-8000-000000000001".parse().unwrap();
        let created_at = Timestamp::from_seconds(1_736_937_000);
        for position in [
            UserPosition::Newest { created_at, id },
            UserPosition::Address("a_b@bücher.example".to_owned()),
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for bad in
            ["", "_", "a_", "a_b c", "a_\0", "1", "1_2", "x_0194702c-1a40-7000-8000-000000000001"]
        {
            assert_eq!(bad.parse::<UserPosition>(), Err(InvalidUserPosition), "{bad}");
        }
        assert!(format!("a_{}", "x".repeat(255)).parse::<UserPosition>().is_err());
    }

    #[test]
    fn beginnings_of_addresses_are_folded_as_addresses_are() {
        for (typed, folded) in [("Ada@Ex", "ada@ex"), ("JOSE\u{301}", "jos\u{e9}"), ("%_", "%_")] {
            assert_eq!(typed.parse::<EmailPrefix>().unwrap().as_str(), folded);
        }
        for bad in ["", " ", "a b", "a\0", &"x".repeat(255)] {
            assert!(bad.parse::<EmailPrefix>().is_err(), "{bad:?}");
        }
        assert_eq!("x".repeat(254).parse::<EmailPrefix>().unwrap().as_str().len(), 254);
    }
}
