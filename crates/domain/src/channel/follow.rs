//! Memberships follow the tier, whoever changed it and in whatever order that is heard of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    AskedFor, Asking, Basis, ChannelStore, Followed, Invite, Membership, MembershipState, Places,
    Trouble, Why,
    model::AGAIN,
    steps::{Look, Step, invited_anew, next},
};
use crate::{
    Clock, Error, Result, Timestamp,
    account::UserId,
    error::ConflictKind,
    jobs::{Job, JobStore, NewJob},
    ports::{
        channels::{Admission, ChannelNews, ChannelPlatform, Platform, Presence},
        secrets::Randomness,
    },
};

/// Steps that one look takes at most: of each place there are six, and somebody else may take some of them.
const MOST_STEPS: usize = 40;

/// Memberships whose time has come that one look finds at most.
const AT_ONCE: u32 = 1_000;

fn changing() -> Error {
    Error::unavailable("the channel", "its memberships change all the time")
}

/// What the operator decides about channels.
#[derive(Debug, Clone, Default)]
pub struct ChannelSettings {
    /// Which places the tiers open, by messenger.
    pub places: BTreeMap<Platform, Places>,
    /// How long a link is good.
    pub invite_ttl: Duration,
}

/// What has memberships follow the tier.
pub struct Channels {
    platforms: Vec<Arc<dyn ChannelPlatform>>,
    store: Arc<dyn ChannelStore>,
    jobs: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    settings: ChannelSettings,
}

/// The jobs that are added when anything of an account changes that decides where it belongs.
pub fn follow_jobs(user: UserId, now: Timestamp) -> [NewJob; 2] {
    [Platform::Telegram, Platform::Discord]
        .map(|platform| NewJob::new(follow_job(platform, user), now))
}

/// The job for one messenger. It has no key: one that is under way may have read what was before its cause.
pub const fn follow_job(platform: Platform, user: UserId) -> Job {
    match platform {
        Platform::Telegram => Job::TelegramFollows { user },
        Platform::Discord => Job::DiscordFollows { user },
    }
}

impl Channels {
    /// By these messengers; one that is not among them is not offered.
    pub const fn new(
        platforms: Vec<Arc<dyn ChannelPlatform>>,
        store: Arc<dyn ChannelStore>,
        jobs: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
        settings: ChannelSettings,
    ) -> Self {
        Self { platforms, store, jobs, clock, randomness, settings }
    }

    /// Whether a messenger is offered.
    pub fn offers(&self, platform: Platform) -> bool {
        self.find(platform).is_some()
    }

    fn find(&self, platform: Platform) -> Option<&dyn ChannelPlatform> {
        self.platforms.iter().map(|it| &**it).find(|it| it.platform() == platform)
    }

    /// # Errors
    /// [`ConflictKind::ChannelsOff`] where it is not offered.
    pub(super) fn offered(&self, platform: Platform) -> Result<&dyn ChannelPlatform> {
        let none = || {
            Error::conflict(ConflictKind::ChannelsOff, format!("{platform} is not offered here"))
        };
        self.find(platform).ok_or_else(none)
    }

    pub(super) fn places(&self, platform: Platform) -> Places {
        self.settings.places.get(&platform).cloned().unwrap_or_default()
    }

    pub(super) async fn followed(&self, user: UserId) -> Result<Followed> {
        self.store.followed(user).await?.ok_or(Error::NotFound("account"))
    }

    pub(super) fn knows(&self, platform: Platform) -> bool {
        self.find(platform).is_some_and(ChannelPlatform::knows_members)
    }

    pub(super) fn randomness(&self) -> &dyn Randomness {
        &*self.randomness
    }

    /// Has the user looked at by a job.
    pub(super) async fn follow_later(&self, user: UserId, platform: Platform) -> Result<()> {
        self.jobs.add(NewJob::new(follow_job(platform, user), self.now())).await.map(|_| ())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Has the user's memberships of one messenger become what the tier says. What cannot be done of one place keeps none of
    /// another from being done.
    ///
    /// # Errors
    /// The first thing that could not be done: it is noted, and is to be tried again.
    pub async fn follow(&self, user: UserId, platform: Platform) -> Result<()> {
        let Some(at) = self.find(platform) else { return self.put_off(user, platform).await };
        let places = self.places(platform);
        let (mut passed, mut failed) = (Vec::new(), None);
        for _ in 0..MOST_STEPS {
            let Some(followed) = self.store.followed(user).await? else { return Ok(()) };
            let now = self.clock.now();
            let look = Look {
                user,
                platform,
                places: &places,
                knows_members: at.knows_members(),
                randomness: &*self.randomness,
                now,
                passed: &passed,
            };
            let Some(step) = next(&look, &followed) else { return failed.map_or(Ok(()), Err) };
            let place = step.membership().place.clone();
            match self.take(at, &step, followed.basis).await {
                Ok(true) => {}
                Ok(false) => passed.push(place),
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    _ = self.note(step.membership(), followed.basis, trouble).await?;
                    passed.push(place);
                    failed.get_or_insert(error);
                }
            }
        }
        Err(changing())
    }

    /// Has an instance that runs with the bot look at whatever was given, since this one cannot: the job that said that
    /// there may be something to do is gone once this returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when somebody changes it at the same time.
    async fn put_off(&self, user: UserId, platform: Platform) -> Result<()> {
        let Some(followed) = self.store.followed(user).await? else { return Ok(()) };
        let here = followed.memberships.iter().filter(|it| it.platform == platform);
        for it in here.filter(|it| it.state != MembershipState::Out || it.may_be_back()) {
            if !self.note(it, followed.basis, Trouble::SetUp).await? {
                return Err(changing());
            }
        }
        Ok(())
    }

    /// Whether there may be more to do of this place.
    async fn take(&self, at: &dyn ChannelPlatform, step: &Step, basis: Basis) -> Result<bool> {
        match step {
            Step::Keep(it) => self.keep(it.clone(), basis).await.map(|_| true),
            Step::Invite(it) => self.make_link(at, it, basis).await.map(|()| true),
            Step::Admit(it) => self.admit(at, it, basis).await.map(|()| true),
            Step::Verify(it) => self.verify(at, it, basis).await,
            Step::TakeBack(it) => self.take_back(at, it, basis).await.map(|()| true),
        }
    }

    /// Keeps it; `false` when somebody changed it meanwhile, and it is to be looked at anew.
    pub(super) async fn keep(&self, it: Membership, basis: Basis) -> Result<bool> {
        let is_settled = matches!(
            it.state,
            MembershipState::Invited | MembershipState::Member | MembershipState::Out
        );
        let recheck_at = (!is_settled).then(|| self.clock.now().later(AGAIN));
        let is_to_come = matches!(it.state, MembershipState::Inviting | MembershipState::Invited);
        // It is the member who mends that one, and is told until it is tried again.
        let trouble = it.trouble.filter(|it| *it == Trouble::TooMany && is_to_come);
        let kept = self.store.keep(Membership { trouble, recheck_at, ..it }, basis).await?;
        Ok(kept.is_some())
    }

    /// Notes what keeps a membership from going on; `false` when somebody changed it meanwhile.
    async fn note(&self, it: &Membership, basis: Basis, trouble: Trouble) -> Result<bool> {
        let recheck_at = Some(self.clock.now().later(AGAIN));
        let noted = Membership { trouble: Some(trouble), recheck_at, ..it.clone() };
        self.store.keep(noted, basis).await.map(|kept| kept.is_some())
    }

    /// Nobody is let in by the link alone, so one that is lost on the way does no harm.
    async fn make_link(
        &self,
        at: &dyn ChannelPlatform,
        it: &Membership,
        basis: Basis,
    ) -> Result<()> {
        let named = it.invite.as_ref().map(|invite| invite.name.clone());
        let name = named.ok_or_else(|| Error::internal("an invitation without a name"))?;
        let until = self.clock.now().later(self.settings.invite_ttl);
        let link = at.invite(&it.place, &name, until).await?;
        let invite = Some(Invite { name, link: Some((link.clone(), until)) });
        let invited = Membership { state: MembershipState::Invited, invite, ..it.clone() };
        if !self.keep(invited, basis).await? {
            at.revoke(&it.place, &link).await?;
        }
        Ok(())
    }

    /// Whoever asked by the link is in, and the link is good no more.
    async fn admit(&self, at: &dyn ChannelPlatform, it: &Membership, basis: Basis) -> Result<()> {
        let member = it.member.as_deref().unwrap_or_default();
        let mut trouble = None;
        let presence = match at.admit(&it.place, member).await? {
            Admission::In => Presence::In,
            Admission::NotAsking => at.presence(&it.place, member).await?,
            Admission::TooMany => {
                // Who waits cannot ask by another link.
                at.refuse(&it.place, member).await?;
                trouble = Some(Trouble::TooMany);
                Presence::Out
            }
        };
        self.revoke(at, it).await?;
        let settled = Membership { invite: None, since: self.clock.now(), ..it.clone() };
        let left = || Membership { member: it.own_member(), ..settled.clone() };
        let result = match presence {
            Presence::In | Presence::Staff => {
                Membership { state: MembershipState::Member, ..settled }
            }
            Presence::Barred => {
                Membership { state: MembershipState::Out, why: Why::Barred, ..left() }
            }
            Presence::Out => {
                let anew = invited_anew(left(), None, &*self.randomness, self.clock.now());
                Membership { trouble, ..anew }
            }
        };
        self.keep(result, basis).await.map(|_| ())
    }

    pub(super) async fn revoke(&self, at: &dyn ChannelPlatform, it: &Membership) -> Result<()> {
        match it.invite.as_ref().and_then(|invite| invite.link.as_ref()) {
            Some((link, _)) => at.revoke(&it.place, link).await,
            None => Ok(()),
        }
    }

    /// `false`: there is no more to do of this place.
    async fn verify(
        &self,
        at: &dyn ChannelPlatform,
        it: &Membership,
        basis: Basis,
    ) -> Result<bool> {
        let member = it.member.as_deref().unwrap_or_default();
        let why = match at.presence(&it.place, member).await? {
            Presence::In | Presence::Staff if it.recheck_at.is_none() => return Ok(false),
            Presence::In | Presence::Staff => return self.keep(it.clone(), basis).await,
            Presence::Out => Why::Left,
            Presence::Barred => Why::Barred,
        };
        let since = self.clock.now();
        let member = it.own_member();
        let gone = Membership { state: MembershipState::Out, why, since, member, ..it.clone() };
        self.keep(gone, basis).await
    }

    /// A request that waits is refused before it is looked who is in: an older look that would still let somebody in
    /// finds no request then, or was earlier, and is seen.
    async fn take_back(
        &self,
        at: &dyn ChannelPlatform,
        it: &Membership,
        basis: Basis,
    ) -> Result<()> {
        self.revoke(at, it).await?;
        let mut removed = None;
        if let Some(member) = &it.member {
            at.refuse(&it.place, member).await?;
            let since = self.clock.now();
            if at.presence(&it.place, member).await? == Presence::In {
                let result = at.remove(&it.place, member, since).await;
                removed = Some((member, since));
                if let Err(error) = result {
                    // It is not known how far that came.
                    self.restore(at, &it.place, member, since).await?;
                    return Err(error);
                }
            }
        }
        let member = it.own_member();
        let out = Membership { state: MembershipState::Out, invite: None, member, ..it.clone() };
        match (self.keep(out, basis).await?, removed) {
            (false, Some((member, since))) => self.restore(at, &it.place, member, since).await,
            _ => Ok(()),
        }
    }

    /// Somebody was taken out after a tier had opened the place again, the same account's or another one's: that one did not
    /// leave, and is invited anew, or let in where the messenger knows its members.
    async fn restore(
        &self,
        at: &dyn ChannelPlatform,
        place: &str,
        member: &str,
        since: Timestamp,
    ) -> Result<()> {
        let platform = at.platform();
        for _ in 0..MOST_STEPS {
            let holder = self.store.user_of(platform, place, member).await?;
            let Some(user) = holder else { return Ok(()) };
            let Some(followed) = self.store.followed(user).await? else { return Ok(()) };
            let is_it = |it: &&Membership| it.platform == platform && it.place == place;
            let Some(it) = followed.memberships.iter().find(is_it) else { return Ok(()) };
            let is_taken_for_in = match it.state {
                MembershipState::Admitting | MembershipState::Member => true,
                // Another look saw it before this one.
                MembershipState::Out => it.why == Why::Left && it.since >= since,
                _ => false,
            };
            let is_open = self.places(platform).of(followed.basis) == Some(place);
            let is_held = it.member.as_deref() == Some(member);
            if !(is_taken_for_in && is_open && is_held) {
                return Ok(());
            }
            if matches!(at.presence(place, member).await, Ok(Presence::In | Presence::Staff)) {
                return Ok(());
            }
            let known = at.knows_members().then(|| member.to_owned());
            let anew = invited_anew(it.clone(), known, &*self.randomness, self.clock.now());
            if self.keep(anew, followed.basis).await? {
                return self.follow_later(user, platform).await;
            }
        }
        Err(changing())
    }

    /// Takes what a messenger tells: it is kept, with what is to be done, before this returns. The same again has no further
    /// effect.
    ///
    /// # Errors
    /// [`ConflictKind::ChannelsOff`]; as [`ChannelPlatform::news`]; [`Error::Unavailable`] when it could not be kept.
    pub async fn hear(&self, platform: Platform, secret: &str, body: &[u8]) -> Result<()> {
        let at = self.offered(platform)?;
        let now = self.clock.now();
        match at.news(secret, body)? {
            ChannelNews::Nothing => Ok(()),
            ChannelNews::Gone { place, member } => {
                if let Some(user) = self.store.user_of(platform, &place, &member).await? {
                    self.follow_later(user, platform).await?;
                }
                Ok(())
            }
            ChannelNews::Asked { place, member, invite } => {
                let asked = (place.clone(), member.clone());
                let asking = Asking { platform, invite, place: Some(place), member, now };
                match self.store.ask(asking).await? {
                    AskedFor::Taken(_) | AskedFor::Unknown => Ok(()),
                    AskedFor::Refused => at.refuse(&asked.0, &asked.1).await,
                }
            }
        }
    }

    /// Takes somebody for the owner of this account, who came back from the link that the account was given; the job that is
    /// added then lets that one in.
    ///
    /// # Errors
    /// [`ConflictKind::ChannelsOff`]; [`Error::Forbidden`] for a link of another account, one that is good no more, or somebody
    /// who cannot be brought in; as [`ChannelPlatform::prove`].
    pub(super) async fn bring(
        &self,
        user: UserId,
        platform: Platform,
        code: &str,
        invite: &str,
    ) -> Result<()> {
        const OTHER: Error = Error::Forbidden(
            "the link is not this account's, or good no more; ask for another one",
        );
        let at = self.offered(platform)?;
        let now = self.clock.now();
        let followed = self.followed(user).await?;
        let is_it = |it: &&Membership| {
            let given = it.invite.as_ref().filter(|given| given.name == invite);
            let link = given.and_then(|given| given.link.as_ref());
            it.platform == platform && link.is_some_and(|(_, until)| now < *until)
        };
        let it = followed.memberships.iter().find(is_it).ok_or(OTHER)?;
        if it.state != MembershipState::Invited {
            return Err(OTHER);
        }
        let proved = at.prove(code).await?;
        let member = proved.member.clone();
        at.bring(&proved).await?;
        let invite = invite.to_owned();
        let asking = Asking { platform, invite, place: None, member, now };
        match self.store.ask(asking).await? {
            AskedFor::Taken(_) => Ok(()),
            AskedFor::Refused | AskedFor::Unknown => Err(OTHER),
        }
    }

    /// Has those looked at whose time has come. How many.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn recheck(&self) -> Result<u32> {
        if self.platforms.is_empty() {
            return Ok(0);
        }
        let now = self.clock.now();
        self.store.due(now, now.later(AGAIN), AT_ONCE).await
    }
}
