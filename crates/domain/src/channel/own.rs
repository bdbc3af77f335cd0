//! What a member sees of channels, and asks for.

use super::{
    Channels, Followed, Membership, MembershipState, Trouble, Why,
    steps::{invited_anew, known},
};
use crate::{
    Error, Result, Timestamp, account::UserId, error::ConflictKind, ports::channels::Platform,
    text_enum::text_enum,
};

text_enum!(
    /// What a member sees of one messenger.
    Standing, {
        /// Nobody runs a channel there.
        NotOffered = "not_offered",
        /// The tier opens no channel there, and none is to be left.
        NotIncluded = "not_included",
        /// A link is being made.
        Preparing = "preparing",
        /// There is a link to follow.
        Invited = "invited",
        /// There was one, which is good no more: another one can be asked for.
        Expired = "expired",
        /// Somebody followed it, and is about to be let in.
        Admitting = "admitting",
        /// In.
        Member = "member",
        /// About to be taken out.
        Leaving = "leaving",
        /// Not in; another link can be asked for if the tier opens it.
        Out = "out",
    }
);

/// A member and a messenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChannel {
    /// Which.
    pub platform: Platform,
    /// Where the member stands.
    pub standing: Standing,
    /// Why, once anything is known.
    pub why: Option<Why>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The link to follow, and until when it is good.
    pub link: Option<(String, Timestamp)>,
    /// What keeps it from going on.
    pub trouble: Option<Trouble>,
}

/// A link that ends sooner is as good as none.
const SHORTEST: std::time::Duration = std::time::Duration::from_mins(1);

impl Channels {
    /// What a member sees of each messenger.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such an account.
    pub async fn own(&self, user: UserId) -> Result<Vec<OwnChannel>> {
        let followed = self.followed(user).await?;
        Ok(Platform::ALL.iter().map(|platform| self.shown(&followed, *platform)).collect())
    }

    fn shown(&self, followed: &Followed, platform: Platform) -> OwnChannel {
        let bare = |standing, why| OwnChannel {
            platform,
            standing,
            why,
            since: None,
            link: None,
            trouble: None,
        };
        if !self.offers(platform) {
            return bare(Standing::NotOffered, None);
        }
        let places = self.places(platform);
        let here = || followed.memberships.iter().filter(|it| it.platform == platform);
        if let Some(place) = places.of(followed.basis) {
            let it = here().find(|it| it.place == place);
            let none = || bare(Standing::Preparing, Some(Why::TierOpens));
            return it.map_or_else(none, |it| self.seen(it));
        }
        let leaving = here().find(|it| it.state != MembershipState::Out);
        let it = leaving.or_else(|| here().max_by_key(|it| it.since));
        let Some(it) = it else { return bare(Standing::NotIncluded, None) };
        let seen = self.seen(it);
        match it.state {
            MembershipState::Out => seen,
            // What is not looked at yet ends all the same.
            MembershipState::Leaving if it.why != Why::Moved => OwnChannel { link: None, ..seen },
            _ => OwnChannel {
                standing: Standing::Leaving,
                why: Some(followed.basis.why_out()),
                link: None,
                ..seen
            },
        }
    }

    fn seen(&self, it: &Membership) -> OwnChannel {
        let link = it.invite.as_ref().and_then(|invite| invite.link.clone());
        let link = link.filter(|_| it.state == MembershipState::Invited);
        let link = link.filter(|(_, until)| self.now() < *until);
        let standing = match it.state {
            MembershipState::Inviting => Standing::Preparing,
            MembershipState::Invited if link.is_some() => Standing::Invited,
            MembershipState::Invited => Standing::Expired,
            MembershipState::Asked | MembershipState::Admitting => Standing::Admitting,
            MembershipState::Member => Standing::Member,
            MembershipState::Leaving => Standing::Leaving,
            MembershipState::Out => Standing::Out,
        };
        // Who is in is in because the tier opens it, whatever other account is that person's by now.
        let is_out = it.state == MembershipState::Out;
        let why = if it.why == Why::Moved && !is_out { Why::TierOpens } else { it.why };
        OwnChannel {
            platform: it.platform,
            standing,
            why: Some(why),
            since: Some(it.since),
            link,
            trouble: it.trouble,
        }
    }

    /// Has a link made for whoever is not in, unless there is one that is good; what it came to. A messenger that is away
    /// is asked again later.
    ///
    /// # Errors
    /// [`ConflictKind::ChannelsOff`]; [`ConflictKind::NoChannel`] when the tier opens none; [`Error::Unavailable`] when the
    /// database is away.
    pub async fn invite(&self, user: UserId, platform: Platform) -> Result<OwnChannel> {
        self.offered(platform)?;
        let followed = self.followed(user).await?;
        let places = self.places(platform);
        let Some(place) = places.of(followed.basis) else {
            let detail = format!("the tier {} opens no channel of {platform}", followed.basis.tier);
            return Err(Error::conflict(ConflictKind::NoChannel, detail));
        };
        let is_it = |it: &&Membership| it.platform == platform && it.place == place;
        let it = followed.memberships.iter().find(is_it);
        self.ask_anew(it, &followed).await?;
        self.look(user, platform).await?;
        let mut followed = self.followed(user).await?;
        let left = followed.memberships.iter().find(is_it);
        // Who was taken for a member, and is in no more.
        if left.is_some_and(|it| it.state == MembershipState::Out) {
            self.ask_anew(left, &followed).await?;
            self.look(user, platform).await?;
            followed = self.followed(user).await?;
        }
        Ok(self.shown(&followed, platform))
    }

    /// Takes somebody for the owner of this account, who came back from the link that the account was given, and lets that
    /// one in.
    ///
    /// # Errors
    /// [`ConflictKind::ChannelsOff`]; [`Error::Forbidden`] for a link of another account, one that is good no more, or somebody
    /// who cannot be brought in; [`Error::Malformed`] for a code that is good no more.
    pub async fn connect(
        &self,
        user: UserId,
        platform: Platform,
        code: &str,
        invite: &str,
    ) -> Result<OwnChannel> {
        self.bring(user, platform, code, invite).await?;
        self.look(user, platform).await?;
        Ok(self.shown(&self.followed(user).await?, platform))
    }

    async fn ask_anew(&self, it: Option<&Membership>, followed: &Followed) -> Result<()> {
        let Some(it) = it else { return Ok(()) };
        let until = it.invite.as_ref().and_then(|invite| invite.link.as_ref()).map(|it| it.1);
        let is_over = match it.state {
            MembershipState::Out => true,
            MembershipState::Invited => {
                until.is_none_or(|until| until <= self.now().later(SHORTEST))
            }
            _ => false,
        };
        if is_over {
            let known = known(followed, it.platform).filter(|_| self.knows(it.platform));
            // Who left may be in again, and is not to be forgotten for the next one who follows a link.
            let known = known.or_else(|| it.member.clone().filter(|_| it.may_be_back()));
            let anew = invited_anew(it.clone(), known, self.randomness(), self.now());
            if self.keep(anew, followed.basis).await? {
                // It lets nobody in and ends within moments, so that nobody waits for a messenger that is away.
                _ = self.revoke(self.offered(it.platform)?, it).await;
            }
        }
        Ok(())
    }

    /// What could not be done is noted, and done later.
    async fn look(&self, user: UserId, platform: Platform) -> Result<()> {
        match self.follow(user, platform).await {
            Ok(()) => Ok(()),
            Err(_) => self.follow_later(user, platform).await,
        }
    }
}
