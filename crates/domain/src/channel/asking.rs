//! Somebody followed a link, and waits to be let in.

use super::model::{AGAIN, Membership, MembershipState, Why};
use crate::{Timestamp, account::UserId, ports::channels::Platform};

/// Somebody who waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Where.
    pub platform: Platform,
    /// By what the link was named.
    pub invite: String,
    /// The place; `None` where the link says it.
    pub place: Option<String>,
    /// The messenger's id of who asks.
    pub member: String,
    /// When.
    pub now: Timestamp,
}

/// What becomes of somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedFor {
    /// That one is kept as this user's, and the job that looks whether to let in is added.
    Taken(UserId),
    /// The link is another one's by now, or what it was for has ended.
    Refused,
    /// No such link is known.
    Unknown,
}

/// What follows when somebody asks.
pub struct Answered {
    /// What is said.
    pub answer: AskedFor,
    /// What is kept from now on, if it changes.
    pub kept: Option<Membership>,
}

impl Membership {
    /// Somebody asks by this membership's link: the first one is taken.
    pub fn asked_by(&self, asking: &Asking) -> Answered {
        let is_there = asking.place.as_ref().is_none_or(|place| *place == self.place);
        let is_same = self.member.as_deref() == Some(asking.member.as_str());
        let (answer, is_first) = match self.state {
            _ if !is_there => (AskedFor::Unknown, false),
            MembershipState::Inviting | MembershipState::Invited => {
                (AskedFor::Taken(self.user), true)
            }
            MembershipState::Asked | MembershipState::Admitting if is_same => {
                (AskedFor::Taken(self.user), false)
            }
            _ => (AskedFor::Refused, false),
        };
        let kept = is_first.then(|| Self {
            state: MembershipState::Asked,
            since: asking.now,
            member: Some(asking.member.clone()),
            why: Why::TierOpens,
            trouble: None,
            recheck_at: Some(asking.now.later(AGAIN)),
            ..self.clone()
        });
        Answered { answer, kept }
    }

    /// The same after its member followed another account's link, which leads to another place: whose link was followed
    /// last is whose member it is. What the tier still opens stays until it ends, and opens nothing else.
    #[must_use]
    pub fn member_moved(&self) -> Self {
        match self.state {
            MembershipState::Inviting | MembershipState::Invited | MembershipState::Out => {
                Self { member: None, ..self.clone() }
            }
            _ => Self { why: Why::Moved, ..self.clone() },
        }
    }

    /// The same after its member came in on behalf of another account.
    #[must_use]
    pub fn without_member(&self, now: Timestamp) -> Self {
        let bare = Self { member: None, ..self.clone() };
        match self.state {
            MembershipState::Asked | MembershipState::Admitting | MembershipState::Member => Self {
                state: MembershipState::Out,
                why: Why::Moved,
                since: now,
                invite: None,
                trouble: None,
                recheck_at: None,
                ..bare
            },
            _ => bare,
        }
    }
}
