//! Channels follow the tier, whoever changed it and whatever became of the messenger, its news, and the jobs.

use std::{
    future::Future, pin::Pin, sync::Arc, task::Context, task::Poll, task::Waker, time::Duration,
};

use alpine_domain::{
    Clock as _, Error, Result,
    account::{AccountChanges, Role, Tier, UserId},
    channel::{Followed, MembershipState, OwnChannel, Standing, Trouble, Why},
    error::ConflictKind,
    jobs::RunJob as _,
    ports::{
        channels::Platform::{self, Discord, Telegram},
        secrets::HashPriority,
    },
};
use proptest::prelude::*;

use crate::{
    messenger::{PLACES, channel_settings},
    support::{DAY, MICROSECOND, PASSWORD, World, now},
};

const MINUTE: Duration = Duration::from_mins(1);

impl World {
    fn member(&self, name: &str, tier: Tier) -> UserId {
        let user = self.sign_up(&format!("{name}@example.com")).account.id;
        self.set_tier(user, tier);
        self.work_off();
        user
    }

    fn set_tier(&self, user: UserId, tier: Tier) {
        now(self.stores.accounts.set_tier_and_role(user, tier, Role::User, self.clock.now()))
            .unwrap();
    }

    fn set_enabled(&self, user: UserId, is_active: bool) {
        let changes = AccountChanges { tier: None, is_active: Some(is_active) };
        now(self.cases.administration.change(user, changes, None)).unwrap();
    }

    fn own(&self, user: UserId, platform: Platform) -> OwnChannel {
        let mut own = now(self.cases.channels.own(user)).unwrap();
        own.retain(|it| it.platform == platform);
        own.remove(0)
    }

    fn seen(&self, user: UserId) -> (Standing, Option<Why>) {
        let own = self.own(user, Telegram);
        (own.standing, own.why)
    }

    fn channel_link(&self, user: UserId) -> String {
        self.own(user, Telegram).link.unwrap().0
    }

    fn tell(&self, news: &str) -> Result<()> {
        now(self.cases.channels.hear(Telegram, "good", news.as_bytes()))
    }

    /// Somebody follows the user's link, and is let in.
    fn joins(&self, user: UserId, person: &str) {
        let news =
            self.telegram.follow(&self.channel_link(user), person, self.clock.now()).unwrap();
        self.tell(&news).unwrap();
        self.work_off();
    }

    fn followed(&self, user: UserId) -> Followed {
        now(self.stores.channels.followed(user)).unwrap().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.telegram.books().calls)
    }
}

#[test]
fn a_tier_brings_a_link_and_its_end_takes_out() {
    let world = World::new();
    let ada = world.member("ada", Tier::Free);
    assert_eq!(world.seen(ada), (Standing::NotIncluded, None));
    assert_eq!(world.calls(), [""; 0], "nothing is asked for who has no tier");

    world.set_tier(ada, Tier::Pro);
    assert_eq!(world.seen(ada), (Standing::Preparing, Some(Why::TierOpens)));
    world.work_off();
    assert_eq!(world.seen(ada), (Standing::Invited, Some(Why::TierOpens)));
    assert_eq!(world.own(ada, Telegram).link.unwrap().1, world.clock.now().later(7 * DAY));
    assert!(!world.telegram.is_in("low", "a"), "a link alone lets nobody in");
    world.joins(ada, "a");
    assert!(world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada), (Standing::Member, Some(Why::TierOpens)));
    assert!(world.telegram.books().links.values().all(|link| link.is_revoked), "it is for one");

    world.set_tier(ada, Tier::Free);
    assert_eq!(world.seen(ada), (Standing::Leaving, Some(Why::TierEnded)));
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::TierEnded)));
    assert_eq!(world.own(ada, Telegram).since, Some(world.clock.now()));

    // Nothing keeps the member from coming back.
    world.set_tier(ada, Tier::Pro);
    world.work_off();
    world.joins(ada, "a");
    assert!(world.telegram.is_in("low", "a"));
}

#[test]
fn another_tier_is_another_channel_unless_it_is_the_same() {
    let world = World::new();
    let ada = world.member("ada", Tier::Starter);
    world.joins(ada, "a");
    world.calls();
    world.set_tier(ada, Tier::Pro);
    world.work_off();
    assert_eq!(world.calls(), ["presence"], "starter and pro are in the same channel");
    assert!(world.telegram.is_in("low", "a"));
    world.set_tier(ada, Tier::Elite);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada).0, Standing::Invited);
    world.joins(ada, "a");
    assert!(world.telegram.is_in("top", "a"));
}

#[test]
fn a_link_that_nobody_followed_ends_with_the_tier() {
    let world = World::new();
    let ada = world.member("ada", Tier::Elite);
    let link = world.channel_link(ada);
    world.set_tier(ada, Tier::Free);
    // Somebody follows it before the job is done.
    let news = world.telegram.follow(&link, "a", world.clock.now()).unwrap();
    world.tell(&news).unwrap();
    world.work_off();
    assert!(!world.telegram.is_in("top", "a"));
    assert!(world.telegram.books().asking.is_empty(), "nobody is left waiting");
    assert!(world.telegram.books().links[&link].is_revoked);
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::TierEnded)));
}

#[test]
fn who_is_disabled_or_deleted_goes_and_comes_back_enabled() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.set_enabled(ada, false);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::AccountDisabled)));
    world.set_enabled(ada, true);
    world.work_off();
    assert_eq!(world.seen(ada).0, Standing::Invited);
    world.joins(ada, "a");

    now(world.cases.accounts.delete(ada, (PASSWORD, HashPriority::Known))).unwrap();
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::AccountDeleted)));
    assert!(world.followed(ada).memberships.iter().any(|it| it.member.as_deref() == Some("a")));
    world.at(30 * DAY);
    world.work_off();
    assert_eq!(world.followed(ada).memberships, [], "what is personal is erased");
}

#[test]
fn a_link_is_the_first_ones_and_not_anothers() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    let link = world.channel_link(ada);
    let at = world.clock.now();
    let [a, b] = ["a", "b"].map(|person| world.telegram.follow(&link, person, at).unwrap());
    world.tell(&a).unwrap();
    world.tell(&b).unwrap();
    // The same news again.
    world.tell(&a).unwrap();
    world.work_off();
    world.tell(&a).unwrap();
    world.work_off();
    let books = world.telegram.books();
    assert!(books.members.contains(&("low".into(), "a".into())) && books.members.len() == 1);
    assert!(books.asking.is_empty(), "the other one was refused");
}

#[test]
fn a_person_is_in_on_behalf_of_one_account() {
    let world = World::new();
    let (ada, bob) = (world.member("ada", Tier::Pro), world.member("bob", Tier::Pro));
    world.joins(ada, "a");
    world.telegram.leave("low", "a").unwrap();
    // That news was lost, and the person comes in by the other link.
    world.joins(bob, "a");
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::Moved)));
    assert_eq!(world.seen(bob).0, Standing::Member);
    world.set_tier(ada, Tier::Free);
    world.work_off();
    assert!(world.telegram.is_in("low", "a"), "on behalf of the one who pays");
    world.set_tier(bob, Tier::Free);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
}

#[test]
fn who_leaves_is_not_called_back_but_may_ask() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    let news = world.telegram.leave("low", "a").unwrap();
    world.tell(&news).unwrap();
    world.work_off();
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::Left)));
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!(own.standing, Standing::Invited);
    world.joins(ada, "a");

    // The same when that news was lost: asking finds out.
    world.telegram.leave("low", "a").unwrap();
    assert_eq!(world.seen(ada).0, Standing::Member);
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!(own.standing, Standing::Invited);
    world.joins(ada, "a");
    // Who is in gets no other link.
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!((own.standing, own.link), (Standing::Member, None));
}

#[test]
fn a_link_is_good_for_its_time_and_another_can_be_asked_for() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    let link = world.channel_link(ada);
    world.at(7 * DAY - 2 * MINUTE);
    let same = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!(same.link.unwrap().0, link);
    world.at(7 * DAY - MICROSECOND);
    assert_eq!(world.seen(ada).0, Standing::Invited);
    world.at(7 * DAY);
    assert_eq!(world.seen(ada).0, Standing::Expired);
    assert_eq!(world.telegram.follow(&link, "a", world.clock.now()), None);
    let other = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert!(other.link.unwrap().0 != link);
    world.joins(ada, "a");
    assert!(world.telegram.is_in("low", "a"));
}

#[test]
fn what_is_not_offered_or_included_is_told() {
    let world = World::new();
    let ada = world.member("ada", Tier::Free);
    let refused = |platform| match now(world.cases.channels.invite(ada, platform)) {
        Err(Error::Conflict(conflict)) => conflict.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Telegram), ConflictKind::NoChannel);
    let bare = World::without_channels();
    let eve = bare.member("eve", Tier::Pro);
    for platform in [Telegram, Discord] {
        assert_eq!(bare.own(eve, platform).standing, Standing::NotOffered);
        let Err(Error::Conflict(told)) = now(bare.cases.channels.invite(eve, platform)) else {
            panic!("{platform}");
        };
        assert_eq!(told.kind, ConflictKind::ChannelsOff);
    }
    assert!(bare.tell("asked low a b").is_err());
    assert_eq!(bare.followed(eve).memberships, []);
}

#[test]
fn whoever_does_not_know_the_secret_tells_nothing() {
    let world = World::new();
    let told = now(world.cases.channels.hear(Telegram, "bad", b"asked low a b"));
    assert!(matches!(told, Err(Error::Malformed(_))), "{told:?}");
}

#[test]
fn a_messenger_that_is_away_is_asked_again_and_that_is_told() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.telegram.books().is_away = true;
    world.set_tier(ada, Tier::Elite);
    world.work_off();
    assert!(world.telegram.is_in("low", "a"));
    let own = world.own(ada, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Preparing, Some(Trouble::Away)));
    // Who asks is answered, and the job is there.
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!((own.standing, own.trouble), (Standing::Preparing, Some(Trouble::Away)));
    world.telegram.books().is_away = false;
    world.clock.advance(2 * MINUTE);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    let own = world.own(ada, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Invited, None));
}

/// Jobs are tried ten times. What is left over is found two hours later.
#[test]
fn what_every_try_of_a_job_failed_at_is_looked_at_later() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.telegram.books().is_powerless = true;
    world.set_tier(ada, Tier::Free);
    for held in world.claim() {
        assert!(
            now(world.cases.jobs.run(&held.job)).is_err() != (held.job.kind() == "discord_follows")
        );
        now(world.stores.jobs.fail(&held, world.clock.now(), "given up")).unwrap();
    }
    let own = world.own(ada, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Leaving, Some(Trouble::SetUp)));
    world.telegram.books().is_powerless = false;
    world.clock.advance(120 * MINUTE - MICROSECOND);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 0);
    world.clock.advance(MICROSECOND);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 1);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    world.clock.advance(120 * MINUTE);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 0, "all is as it should be");
}

#[test]
fn who_runs_a_channel_is_left_in_and_who_is_kept_out_stays_out() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.telegram.books().staff.insert(("low".into(), "a".into()));
    world.set_tier(ada, Tier::Free);
    world.work_off();
    assert!(world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada).0, Standing::Out);

    let bob = world.member("bob", Tier::Pro);
    world.joins(bob, "b");
    world.telegram.leave("low", "b").unwrap();
    world.telegram.books().barred.insert(("low".into(), "b".into()));
    world.tell("gone low b").unwrap();
    world.work_off();
    assert_eq!(world.seen(bob), (Standing::Out, Some(Why::Barred)));
}

/// What one look of a job waits for in the middle.
type Look = Pin<Box<dyn Future<Output = Result<()>>>>;

#[derive(Debug, Clone)]
enum Step {
    Tier(usize, usize),
    Enable(usize, bool),
    /// A person follows a user's link, and the news is told so many times.
    Follow(usize, usize, u8),
    /// News that was told before comes again.
    Again(usize),
    Leave(usize, bool),
    Ask(usize),
    Away(bool),
    Wait(u8),
    Work,
    /// A job is begun, and goes on later from some point in its middle.
    Begin(usize, u8),
    Resume,
    /// The process dies: what was begun is never finished.
    Die,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..2_usize;
    let step = prop_oneof![
        4 => (user(), 0..4_usize).prop_map(|(user, tier)| Step::Tier(user, tier)),
        1 => (user(), any::<bool>()).prop_map(|(user, is)| Step::Enable(user, is)),
        4 => (user(), 0..3_usize, 0..3_u8).prop_map(|(user, who, n)| Step::Follow(user, who, n)),
        2 => any::<prop::sample::Index>().prop_map(|at| Step::Again(at.index(1_000))),
        1 => (0..3_usize, any::<bool>()).prop_map(|(who, is_told)| Step::Leave(who, is_told)),
        1 => user().prop_map(Step::Ask),
        1 => any::<bool>().prop_map(Step::Away),
        1 => (1..150_u8).prop_map(Step::Wait),
        4 => Just(Step::Work),
        4 => (user(), 1..24_u8).prop_map(|(user, polls)| Step::Begin(user, polls)),
        2 => Just(Step::Resume),
        1 => Just(Step::Die),
    ];
    prop::collection::vec(step, 1..40)
}

const PEOPLE: [&str; 3] = ["a", "b", "c"];

struct History<'a> {
    world: &'a World,
    users: Vec<UserId>,
    told: Vec<String>,
    begun: Vec<Look>,
}

impl History<'_> {
    fn go(&mut self, step: &Step) {
        let world = self.world;
        match *step {
            Step::Tier(user, tier) => world.set_tier(self.users[user], Tier::ALL[tier]),
            Step::Enable(user, is_active) => world.set_enabled(self.users[user], is_active),
            Step::Follow(user, who, times) => {
                let Some((link, _)) = world.own(self.users[user], Telegram).link else { return };
                let news = world.telegram.follow(&link, PEOPLE[who], world.clock.now());
                let Some(news) = news else { return };
                for _ in 0..times {
                    _ = world.tell(&news);
                }
                self.told.push(news);
            }
            Step::Again(at) => {
                if let Some(news) = self.told.get(at % self.told.len().max(1)) {
                    _ = world.tell(news);
                }
            }
            Step::Leave(who, is_told) => {
                for place in ["low", "top"] {
                    let news = world.telegram.leave(place, PEOPLE[who]);
                    self.told.extend(news.inspect(|news| {
                        if is_told {
                            world.tell(news).unwrap();
                        }
                    }));
                }
            }
            Step::Ask(user) => _ = now(world.cases.channels.invite(self.users[user], Telegram)),
            Step::Away(is) => world.telegram.books().is_away = is,
            Step::Wait(minutes) => world.clock.advance(u32::from(minutes) * MINUTE),
            Step::Work => {
                now(world.cases.channels.recheck()).unwrap();
                world.work_off();
            }
            Step::Begin(user, polls) => {
                let (channels, user) = (Arc::clone(&world.cases.channels), self.users[user]);
                let mut look: Look = Box::pin(async move { channels.follow(user, Telegram).await });
                let mut context = Context::from_waker(Waker::noop());
                for _ in 0..polls {
                    if look.as_mut().poll(&mut context).is_ready() {
                        return;
                    }
                }
                self.begun.push(look);
            }
            Step::Resume => {
                if let Some(look) = self.begun.pop() {
                    self.finish(look);
                }
            }
            // Its lease ends, and another takes the jobs over.
            Step::Die => {
                self.begun.clear();
                self.users.iter().for_each(|user| self.add_job(*user));
            }
        }
    }

    fn add_job(&self, user: UserId) {
        let jobs = alpine_domain::channel::follow_jobs(user, self.world.clock.now());
        for job in jobs {
            now(self.world.stores.jobs.add(job)).unwrap();
        }
    }

    /// A job that failed is tried again.
    fn finish(&self, mut look: Look) {
        let mut context = Context::from_waker(Waker::noop());
        let result = loop {
            if let Poll::Ready(result) = look.as_mut().poll(&mut context) {
                break result;
            }
        };
        if result.is_err() {
            self.users.iter().for_each(|user| self.add_job(*user));
        }
    }

    fn end(&mut self) {
        let world = self.world;
        world.telegram.books().is_away = false;
        while let Some(look) = self.begun.pop() {
            self.finish(look);
        }
        // What is begun and was not finished is looked at once more within hours.
        for _ in 0..3 {
            world.clock.advance(121 * MINUTE);
            now(world.cases.channels.recheck()).unwrap();
            world.work_off();
        }
    }
}

fn place_of(world: &World, user: UserId) -> Option<&'static str> {
    let account = now(world.stores.accounts.account(user)).unwrap().unwrap();
    let place = PLACES.iter().find(|(tier, _)| *tier == account.tier).map(|(_, place)| *place);
    place.filter(|_| account.is_active)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever is lost, late, doubled, shuffled, and cut off in the middle: in the end nobody is in a channel that no tier
    /// opens, and everybody whose tier does is in, is invited, or has left.
    #[test]
    fn whatever_happens_channels_end_where_the_tier_says(steps in steps()) {
        let world = World::new();
        let users = ["ada", "bob"].map(|name| world.member(name, Tier::Free)).to_vec();
        let mut history = History { world: &world, users, told: Vec::new(), begun: Vec::new() };
        for step in &steps {
            history.go(step);
        }
        history.end();
        let mut entitled = Vec::new();
        for user in &history.users {
            let place = place_of(&world, *user);
            for it in world.followed(*user).memberships {
                if Some(it.place.as_str()) == place {
                    let is_left = matches!(it.why, Why::Left | Why::Moved | Why::Barred);
                    prop_assert!(match it.state {
                        MembershipState::Member | MembershipState::Invited => true,
                        MembershipState::Out => is_left,
                        _ => false,
                    }, "{it:?}");
                    if it.state == MembershipState::Member {
                        entitled.push((it.place, it.member.unwrap()));
                    }
                } else {
                    prop_assert_eq!(it.state, MembershipState::Out, "{:?}", it);
                }
            }
            if place.is_some() {
                let is_there = world.own(*user, Telegram).standing != Standing::Preparing;
                prop_assert!(is_there, "{:?}", world.followed(*user));
            }
        }
        for who in &world.telegram.books().members {
            prop_assert!(entitled.contains(who), "{:?} is in on behalf of nobody: {:?}", who, entitled);
        }
    }
}

#[test]
fn discord_members_are_brought_in_and_known_afterwards() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    let invite = |world: &World| {
        let it = world.followed(ada).memberships;
        it.iter().find(|it| it.platform == Discord).unwrap().invite.clone().unwrap().name
    };
    let name = invite(&world);
    let connect = |user, name: &str| now(world.cases.channels.connect(user, Discord, "d", name));
    let bob = world.member("bob", Tier::Pro);
    assert!(matches!(connect(bob, &name), Err(Error::Forbidden(_))), "another's link");
    assert!(matches!(connect(ada, "unheard of"), Err(Error::Forbidden(_))));
    connect(ada, &name).unwrap();
    world.work_off();
    assert!(world.discord.is_in("low", "d"));
    assert!(connect(ada, &name).is_err(), "it was used");
    // Another tier needs no other link.
    world.set_tier(ada, Tier::Elite);
    world.work_off();
    assert!(world.discord.is_in("top", "d") && !world.discord.is_in("low", "d"));
    world.set_tier(ada, Tier::Free);
    world.work_off();
    assert!(!world.discord.is_in("top", "d"));
    world.set_tier(ada, Tier::Pro);
    world.work_off();
    assert!(world.discord.is_in("low", "d"));
    // Who left the server is invited again when asking.
    world.discord.books().brought.clear();
    world.discord.books().members.clear();
    let own = now(world.cases.channels.invite(ada, Discord)).unwrap();
    assert_eq!(own.standing, Standing::Invited);
    let name = invite(&world);
    world.clock.advance(channel_settings().invite_ttl);
    assert!(matches!(connect(ada, &name), Err(Error::Forbidden(_))), "too old");
}
