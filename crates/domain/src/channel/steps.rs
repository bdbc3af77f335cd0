//! What is to be done next of an account on one messenger. It depends on what is kept alone.

use super::{Basis, Followed, Invite, Membership, MembershipState, Places, Why};
use crate::{
    Timestamp,
    account::UserId,
    ports::{channels::Platform, secrets::Randomness},
};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This is to be kept: the messenger is asked nothing yet.
    Keep(Membership),
    /// A link is to be made.
    Invite(Membership),
    /// Who asked is to be let in.
    Admit(Membership),
    /// Whether the member is still in is to be seen.
    Verify(Membership),
    /// Whatever was given is to be taken back.
    TakeBack(Membership),
}

impl Step {
    pub(super) const fn membership(&self) -> &Membership {
        match self {
            Self::Keep(it)
            | Self::Invite(it)
            | Self::Admit(it)
            | Self::Verify(it)
            | Self::TakeBack(it) => it,
        }
    }
}

/// Who is looked at, and how.
pub(super) struct Look<'a> {
    pub(super) user: UserId,
    pub(super) platform: Platform,
    pub(super) places: &'a Places,
    pub(super) knows_members: bool,
    pub(super) randomness: &'a dyn Randomness,
    pub(super) now: Timestamp,
    /// Places that are done with for now.
    pub(super) passed: &'a [String],
}

/// The next step; `None`: all is as it should be. What has to end comes first.
pub(super) fn next(look: &Look<'_>, followed: &Followed) -> Option<Step> {
    let belongs = look.places.of(followed.basis);
    let here = || followed.memberships.iter().filter(|it| it.platform == look.platform);
    let is_open = |it: &&Membership| !look.passed.contains(&it.place);
    for it in here().filter(|it| Some(it.place.as_str()) != belongs).filter(is_open) {
        if let Some(step) = ending(it, followed.basis, look.now) {
            return Some(step);
        }
    }
    let place = belongs?;
    let nothing = || Membership::new(look.user, look.platform, place.to_owned(), look.now);
    let it = here().find(|it| it.place == place).cloned();
    let known = known(followed, look.platform).filter(|_| look.knows_members);
    Some(it.unwrap_or_else(nothing)).filter(|it| is_open(&it)).and_then(|it| begin(look, it, known))
}

/// Whose link was followed last, of those who are still this account's.
pub(super) fn known(followed: &Followed, platform: Platform) -> Option<String> {
    let here = followed.memberships.iter().filter(|it| it.platform == platform);
    here.filter(|it| it.own_member().is_some()).max_by_key(|it| it.since)?.own_member()
}

fn ending(it: &Membership, basis: Basis, now: Timestamp) -> Option<Step> {
    let is_over = it.state == MembershipState::Out && !it.may_be_back();
    match it.state {
        MembershipState::Leaving => Some(Step::TakeBack(it.clone())),
        MembershipState::Out
            if is_over && matches!(it.why, Why::Left | Why::Barred | Why::Moved) =>
        {
            let ended = Membership { why: basis.why_out(), since: now, ..it.clone() };
            Some(Step::Keep(ended))
        }
        MembershipState::Out if is_over => it.recheck_at.map(|_| Step::Keep(it.clone())),
        _ => {
            let why = if it.why == Why::Moved { Why::Moved } else { basis.why_out() };
            let state = MembershipState::Leaving;
            Some(Step::Keep(Membership { state, why, since: now, ..it.clone() }))
        }
    }
}

fn begin(look: &Look<'_>, it: Membership, known: Option<String>) -> Option<Step> {
    Some(match it.state {
        MembershipState::Inviting => Step::Invite(it),
        // An instance without the bot had it looked at again: there is no more to do.
        MembershipState::Invited => return it.recheck_at.is_some().then_some(Step::Keep(it)),
        MembershipState::Asked => {
            Step::Keep(Membership { state: MembershipState::Admitting, ..it })
        }
        MembershipState::Admitting => Step::Admit(it),
        MembershipState::Member => Step::Verify(it),
        // It was being taken back, and it is not known how far that came: who is still in stays.
        MembershipState::Leaving if it.member.is_some() => {
            let state = MembershipState::Admitting;
            let why = if it.why == Why::Moved { Why::Moved } else { Why::TierOpens };
            Step::Keep(Membership { state, why, since: look.now, ..it })
        }
        MembershipState::Leaving => Step::TakeBack(it),
        // Nobody is asked again to come who does not want to, or is not wanted.
        MembershipState::Out
            if it.version > 0 && matches!(it.why, Why::Left | Why::Barred | Why::Moved) =>
        {
            return it.recheck_at.is_some().then_some(Step::Keep(it));
        }
        MembershipState::Out => Step::Keep(invited_anew(it, known, look.randomness, look.now)),
    })
}

/// The membership, to be given anew.
pub(super) fn invited_anew(
    it: Membership,
    known: Option<String>,
    randomness: &dyn Randomness,
    now: Timestamp,
) -> Membership {
    let begun = Membership { why: Why::TierOpens, since: now, trouble: None, ..it };
    match known {
        Some(member) => Membership {
            state: MembershipState::Admitting,
            member: Some(member),
            invite: None,
            ..begun
        },
        None => Membership {
            state: MembershipState::Inviting,
            invite: Some(Invite::generate(randomness)),
            ..begun
        },
    }
}
