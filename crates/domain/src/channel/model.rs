//! Memberships as they are kept.

use std::{collections::BTreeMap, time::Duration};

use uuid::Builder;

use crate::{
    Error, Timestamp,
    account::{Tier, UserId},
    ports::{channels::Platform, secrets::Randomness},
    text_enum::text_enum,
};

/// What could not be done, or what an instance that died had begun, is looked at again after this: the tries of the
/// job that failed are over by then.
pub(super) const AGAIN: Duration = Duration::from_hours(2);

text_enum!(
    /// How far a membership has come. A word with an intent in it is written before the messenger is asked.
    MembershipState, {
        /// A link is to be made.
        Inviting = "inviting",
        /// There is a link.
        Invited = "invited",
        /// Somebody followed it, and waits.
        Asked = "asked",
        /// That one is to be let in.
        Admitting = "admitting",
        /// That one is in.
        Member = "member",
        /// Whatever was given is to be taken back.
        Leaving = "leaving",
        /// Nothing is given.
        Out = "out",
    }
);

text_enum!(
    /// Why somebody is, or is not, in a channel.
    Why, {
        /// The tier opens it.
        TierOpens = "tier_opens",
        /// The tier ended that opened it.
        TierEnded = "tier_ended",
        /// The account was disabled.
        AccountDisabled = "account_disabled",
        /// The account was deleted.
        AccountDeleted = "account_deleted",
        /// The member left, or was taken out by whoever runs the channel.
        Left = "left",
        /// Whoever runs the channel keeps that person out.
        Barred = "barred",
        /// The same person came in on behalf of another account: where nothing is given any more, or (in another place
        /// than that account's) until what is given ends.
        Moved = "moved",
    }
);

text_enum!(
    /// What keeps a membership from being as it should.
    Trouble, {
        /// The messenger does not answer, or asks for less at once.
        Away = "away",
        /// The operator has to do something.
        SetUp = "set_up",
        /// The member is in as many places as the messenger lets anybody be.
        TooMany = "too_many",
    }
);

impl Trouble {
    /// What kept a call from being answered as it should.
    pub const fn of(error: &Error) -> Self {
        if matches!(error, Error::Unavailable { .. }) { Self::Away } else { Self::SetUp }
    }
}

/// A link, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// By what it is named, never used twice.
    pub name: String,
    /// The link, once it was made, and until when it is good.
    pub link: Option<(String, Timestamp)>,
}

impl Invite {
    /// One that is to be made.
    pub fn generate(randomness: &dyn Randomness) -> Self {
        let mut bytes = [0; 16];
        randomness.fill(&mut bytes);
        let name = Builder::from_random_bytes(bytes).into_uuid().simple().to_string();
        Self { name, link: None }
    }
}

/// A user and a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Whose.
    pub user: UserId,
    /// Of which messenger.
    pub platform: Platform,
    /// The messenger's id of the place.
    pub place: String,
    /// How far it has come.
    pub state: MembershipState,
    /// Why.
    pub why: Why,
    /// Since when it is so.
    pub since: Timestamp,
    /// The messenger's id of who came in last, or waits. Of one place it is one account's alone.
    pub member: Option<String>,
    /// What was given to come in by, until somebody is in.
    pub invite: Option<Invite>,
    /// What keeps it from going on.
    pub trouble: Option<Trouble>,
    /// When it is looked at again, if nothing happens before.
    pub recheck_at: Option<Timestamp>,
    /// Goes up with each change; 0 before there is any.
    pub version: i64,
}

impl Membership {
    /// Nothing, so far.
    pub const fn new(user: UserId, platform: Platform, place: String, now: Timestamp) -> Self {
        Self {
            user,
            platform,
            place,
            state: MembershipState::Out,
            why: Why::TierOpens,
            since: now,
            member: None,
            invite: None,
            trouble: None,
            recheck_at: None,
            version: 0,
        }
    }

    /// Who is still known as this account's once nothing is given: nobody who followed another account's link since.
    pub(super) fn own_member(&self) -> Option<String> {
        self.member.clone().filter(|_| self.why != Why::Moved)
    }

    /// Whether nothing is given, though somebody whom it is not known how to keep out may be in again.
    pub(super) const fn may_be_back(&self) -> bool {
        matches!(self.state, MembershipState::Out)
            && matches!(self.why, Why::Left | Why::Barred)
            && self.member.is_some()
    }
}

/// What of an account decides where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// Its tier.
    pub tier: Tier,
    /// Whether it is enabled.
    pub is_active: bool,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

impl Basis {
    /// Why somebody with this has to go.
    pub const fn why_out(self) -> Why {
        match (self.is_deleted, self.is_active) {
            (true, _) => Why::AccountDeleted,
            (false, false) => Why::AccountDisabled,
            (false, true) => Why::TierEnded,
        }
    }
}

/// An account and all of its memberships, as of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// What decides.
    pub basis: Basis,
    /// What there is, in the order of platforms and places.
    pub memberships: Vec<Membership>,
}

/// Which place each tier opens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(pub BTreeMap<Tier, String>);

impl Places {
    /// Where an account belongs.
    pub fn of(&self, basis: Basis) -> Option<&str> {
        let open = self.0.get(&basis.tier).map(String::as_str);
        open.filter(|_| basis.is_active && !basis.is_deleted)
    }
}
