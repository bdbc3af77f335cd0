//! What an administrator changes of an account, and why.

use std::str::FromStr;

use crate::{
    Timestamp,
    account::{Account, Tier, UserId},
    audit::{Action, Entry},
    text::{MAX_BYTES_OF_CHAR, TextRefusal, check_name, shown_name},
};

/// Why a deleted account is not enabled: its address is gone, and what is left of it may be erased at any moment.
pub const DELETED: &str = "the account was deleted by its owner";

/// An administrator's words: 1 to 200 characters, single spaces inside, nothing that is not seen. They stay in the
/// audit log for as long as its lines do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReason(String);

impl ChangeReason {
    /// Characters at most.
    pub const MAX_CHARS: usize = 200;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChangeReason {
    type Err = TextRefusal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: TextRefusal = TextRefusal::Rule("must have 1 to 200 characters");
        // Spaces around it or in a row may be more.
        if text.trim().len() > 2 * MAX_BYTES_OF_CHAR * Self::MAX_CHARS {
            return Err(RULE);
        }
        let words = shown_name(text);
        check_name(&words)?;
        let is_in_bounds = (1..=Self::MAX_CHARS).contains(&words.chars().count());
        is_in_bounds.then_some(Self(words)).ok_or(RULE)
    }
}

/// What to change; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// Another tier.
    pub tier: Option<Tier>,
    /// Enables or disables.
    pub is_active: Option<bool>,
}

/// A change of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// Whose.
    pub user: UserId,
    /// What.
    pub changes: AccountChanges,
    /// Why, in the words of whoever asks; a program gives none.
    pub reason: Option<ChangeReason>,
    /// When it is made.
    pub now: Timestamp,
}

/// What tells that an account has another tier, is enabled or disabled, or both; nothing of what stays as it was.
pub fn account_changed(old: &Account, change: &AccountChange) -> Vec<Entry> {
    let AccountChange { changes, reason, now, .. } = change;
    let word = |is_active| if is_active { "enabled" } else { "disabled" };
    let tier = changes.tier.map(|tier| (old.tier.as_str(), tier.as_str()));
    let active = changes.is_active.map(|is_active| (word(old.is_active), word(is_active)));
    let told = [(Action::TierChanged, tier), (Action::ActivationChanged, active)];
    let entry = |action, from, to| {
        let reason = reason.as_ref().map(|reason| reason.as_str().to_owned());
        Entry::new(*now, action).on(old.id).with(format!("{from} -> {to}")).because(reason)
    };
    let changed = told.into_iter().filter_map(|(action, words)| {
        words.filter(|(from, to)| from != to).map(|(from, to)| entry(action, from, to))
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_up_to_two_hundred_characters_that_are_seen() {
        let longest = "é".repeat(200);
        for (typed, kept) in
            [(" paid  by invoice ", "paid by invoice"), ("x", "x"), (&longest, &longest)]
        {
            assert_eq!(typed.parse::<ChangeReason>().unwrap().as_str(), kept);
        }
        for refused in ["", "   ", &"x".repeat(201), "a\nb", "a\0b", "\u{200b}", "\u{202e}abc"] {
            assert!(refused.parse::<ChangeReason>().is_err(), "{refused:?}");
        }
    }
}
