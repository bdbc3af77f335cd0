//! Channels follow the tier, whoever changed it and whatever became of the messenger, its news, and the jobs.

use std::{
    collections::BTreeSet, future::Future, pin::Pin, sync::Arc, task::Context, task::Poll,
    task::Waker, time::Duration,
};

use alpine_domain::{
    Clock as _, Error, Result,
    account::{AccountChanges, Role, Tier, UserId},
    channel::{Channels, Followed, MembershipState, OwnChannel, Standing, Trouble, Why},
    error::ConflictKind,
    jobs::RunJob as _,
    ports::{
        channels::Platform::{self, Discord, Telegram},
        secrets::{HashPriority, Randomness},
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
    /// Others bring back who left.
    BringBack(usize),
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
        1 => (0..3_usize).prop_map(Step::BringBack),
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
    /// Who left which place by themselves.
    left: BTreeSet<(String, String)>,
    /// A process died in the middle: it may have taken somebody out without having noted it.
    has_died: bool,
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
                    if news.is_some() {
                        self.left.insert((place.to_owned(), PEOPLE[who].to_owned()));
                    }
                    self.told.extend(news.inspect(|news| {
                        if is_told {
                            world.tell(news).unwrap();
                        }
                    }));
                }
            }
            Step::BringBack(who) => {
                for it in self.users.iter().flat_map(|user| world.followed(*user).memberships) {
                    if it.why == Why::Left && it.member.as_deref() == Some(PEOPLE[who]) {
                        world.telegram.books().members.insert((it.place, PEOPLE[who].to_owned()));
                    }
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
                self.has_died |= !self.begun.is_empty();
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
        let mut history = History {
            world: &world,
            users,
            told: Vec::new(),
            begun: Vec::new(),
            left: BTreeSet::new(),
            has_died: false,
        };
        for step in &steps {
            history.go(step);
        }
        history.end();
        let mut entitled = Vec::new();
        for user in &history.users {
            let place = place_of(&world, *user);
            for it in world.followed(*user).memberships {
                if Some(it.place.as_str()) == place {
                    let who = it.member.clone().map(|member| (it.place.clone(), member));
                    // Who left and followed another account's link since is that one's.
                    let has_left = who.is_none_or(|who| history.left.contains(&who));
                    prop_assert!(match (it.state, it.why) {
                        (MembershipState::Member | MembershipState::Invited, _)
                        | (MembershipState::Out, Why::Moved) => true,
                        // Somebody of whom a process that died took the place is told so, and may ask.
                        (MembershipState::Out, Why::Left) => has_left || history.has_died,
                        _ => false,
                    }, "{it:?}");
                    let is_left = it.state == MembershipState::Out && it.why == Why::Left;
                    if it.state == MembershipState::Member || is_left && it.member.is_some() {
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

struct Zeros;

impl Randomness for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[test]
fn an_instance_without_the_bot_leaves_the_work_to_one_that_has_it() {
    let world = World::new();
    let [ada, bob, eve] = [("ada", Tier::Pro), ("bob", Tier::Pro), ("eve", Tier::Free)]
        .map(|(name, tier)| world.member(name, tier));
    world.joins(ada, "a");
    let bare = Channels::new(
        Vec::new(),
        Arc::clone(&world.stores.channels),
        Arc::clone(&world.stores.jobs),
        world.clock.clone(),
        Arc::new(Zeros),
        channel_settings(),
    );
    world.set_tier(ada, Tier::Free);
    for held in world.claim() {
        now(world.stores.jobs.finish(&held)).unwrap();
    }
    for user in [ada, bob, eve] {
        now(bare.follow(user, Telegram)).unwrap();
    }
    assert_eq!(world.followed(eve).memberships, []);
    assert_eq!(world.own(ada, Telegram).trouble, Some(Trouble::SetUp));
    world.clock.advance(120 * MINUTE);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 2);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    let own = world.own(bob, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Invited, None));
    // What is as it should be is not looked at for ever.
    for user in [ada, bob] {
        assert!(world.followed(user).memberships.iter().all(|it| it.recheck_at.is_none()));
    }
    // Who left and may be back is looked at too, when the tier ends.
    let link = now(world.cases.channels.invite(bob, Telegram)).unwrap().link.unwrap().0;
    world.tell(&world.telegram.follow(&link, "b", world.clock.now()).unwrap()).unwrap();
    world.work_off();
    world.tell(&world.telegram.leave("low", "b").unwrap()).unwrap();
    world.work_off();
    now(bare.follow(bob, Telegram)).unwrap();
    world.clock.advance(120 * MINUTE);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 1);
    world.work_off();
    world.clock.advance(120 * MINUTE);
    assert_eq!(now(world.cases.channels.recheck()).unwrap(), 0);
}

#[test]
fn who_left_and_is_in_again_goes_with_the_tier() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.tell(&world.telegram.leave("low", "a").unwrap()).unwrap();
    world.work_off();
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::Left)));
    // Another member of the group adds that person.
    world.telegram.books().members.insert(("low".into(), "a".into()));
    world.set_tier(ada, Tier::Free);
    world.work_off();
    assert!(!world.telegram.is_in("low", "a"));
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::TierEnded)));
}

#[test]
fn who_left_and_is_in_again_is_found_when_asking() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.tell(&world.telegram.leave("low", "a").unwrap()).unwrap();
    world.work_off();
    world.telegram.books().members.insert(("low".into(), "a".into()));
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!((own.standing, own.link), (Standing::Member, None), "no link for another one");
    // The same of somebody whom those who run the channel keep out.
    world.telegram.leave("low", "a").unwrap();
    world.telegram.books().barred.insert(("low".into(), "a".into()));
    let own = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert_eq!((own.standing, own.why), (Standing::Out, Some(Why::Barred)));
}

impl World {
    /// Somebody comes back from the user's link of Discord.
    fn connects(&self, user: UserId, person: &str) {
        let own = now(self.cases.channels.invite(user, Discord)).unwrap();
        assert_eq!(own.standing, Standing::Invited);
        let it = self.followed(user).memberships;
        let it = it.iter().find(|it| it.platform == Discord && it.invite.is_some()).unwrap();
        let name = it.invite.clone().unwrap().name;
        now(self.cases.channels.connect(user, Discord, person, &name)).unwrap();
        self.work_off();
    }

    fn becomes(&self, user: UserId, tier: Tier) {
        self.clock.advance(MINUTE);
        self.set_tier(user, tier);
        self.work_off();
    }
}

#[test]
fn whose_link_was_followed_last_is_known() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.connects(ada, "old");
    world.becomes(ada, Tier::Elite);
    assert!(world.discord.is_in("top", "old"));
    // That one leaves the server, and another person comes by another link.
    world.discord.books().brought.clear();
    world.discord.books().members.clear();
    world.clock.advance(MINUTE);
    world.connects(ada, "new");
    assert!(world.discord.is_in("top", "new"));
    world.discord.books().brought.insert("old".into());
    let is_new = || world.discord.is_in("low", "new") && !world.discord.is_in("low", "old");
    world.becomes(ada, Tier::Pro);
    assert!(is_new());
}

#[test]
fn whose_link_was_followed_last_is_known_to_who_asks_before_the_job_has_looked() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.connects(ada, "old");
    world.becomes(ada, Tier::Elite);
    world.discord.books().members.clear();
    world.discord.books().brought.clear();
    world.clock.advance(MINUTE);
    world.connects(ada, "new");
    world.discord.books().brought.insert("old".into());
    world.clock.advance(MINUTE);
    world.set_tier(ada, Tier::Pro);
    now(world.cases.channels.invite(ada, Discord)).unwrap();
    assert!(world.discord.is_in("low", "new") && !world.discord.is_in("low", "old"));
}

#[test]
fn a_member_who_followed_anothers_link_since_is_that_ones_in_every_place() {
    let world = World::new();
    let (ada, bob) = (world.member("ada", Tier::Elite), world.member("bob", Tier::Pro));
    world.connects(ada, "d");
    world.becomes(ada, Tier::Free);
    world.connects(bob, "d");
    assert!(world.discord.is_in("low", "d"));
    let own = |user| world.own(user, Discord);
    world.becomes(ada, Tier::Elite);
    assert!(!world.discord.is_in("top", "d"), "bob's by now, who has no elite");
    assert_eq!(own(ada).standing, Standing::Invited);
    world.becomes(ada, Tier::Pro);
    assert_eq!((own(ada).standing, own(bob).standing), (Standing::Invited, Standing::Member));
}

#[test]
fn what_a_tier_still_opens_to_a_member_who_moved_stays_and_opens_nothing_else() {
    let world = World::new();
    let (ada, bob) = (world.member("ada", Tier::Elite), world.member("bob", Tier::Pro));
    world.connects(ada, "d");
    world.connects(bob, "d");
    let own = |user| world.own(user, Discord);
    assert!(world.discord.is_in("top", "d") && world.discord.is_in("low", "d"));
    assert_eq!((own(ada).standing, own(ada).why), (Standing::Member, Some(Why::TierOpens)));
    world.becomes(ada, Tier::Pro);
    assert!(!world.discord.is_in("top", "d") && world.discord.is_in("low", "d"));
    assert_eq!((own(ada).standing, own(bob).standing), (Standing::Invited, Standing::Member));
    world.becomes(bob, Tier::Free);
    assert!(!world.discord.is_in("low", "d"));
    // Whoever takes the link from then on is known again.
    world.connects(ada, "d");
    world.becomes(ada, Tier::Elite);
    assert!(world.discord.is_in("top", "d"));
}

impl World {
    /// Takes back what ended, and gives way once that person was seen to be in.
    fn begins_to_take_out(&self, user: UserId, platform: Platform) -> Look {
        let channels = Arc::clone(&self.cases.channels);
        let mut look: Look = Box::pin(async move { channels.follow(user, platform).await });
        let mut context = Context::from_waker(Waker::noop());
        let messenger = if platform == Telegram { &self.telegram } else { &self.discord };
        messenger.books().calls.clear();
        while messenger.books().calls.last().map(String::as_str) != Some("presence") {
            assert!(look.as_mut().poll(&mut context).is_pending());
        }
        // It was seen to be in.
        assert!(look.as_mut().poll(&mut context).is_pending());
        look
    }

    fn ends(mut look: Look) -> Result<()> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(result) = look.as_mut().poll(&mut context) {
                return result;
            }
        }
    }
}

#[test]
fn who_was_taken_out_when_the_tier_had_begun_again_did_not_leave() {
    for platform in [Telegram, Discord] {
        let world = World::new();
        let ada = world.member("ada", Tier::Pro);
        match platform {
            Telegram => world.joins(ada, "a"),
            Discord => world.connects(ada, "a"),
        }
        world.set_tier(ada, Tier::Free);
        let look = world.begins_to_take_out(ada, platform);
        world.set_tier(ada, Tier::Pro);
        world.work_off();
        assert_eq!(world.own(ada, platform).standing, Standing::Member);
        World::ends(look).unwrap();
        world.work_off();
        let standing = world.own(ada, platform).standing;
        match platform {
            Telegram => {
                assert_eq!(standing, Standing::Invited);
                world.joins(ada, "a");
                assert!(world.telegram.is_in("low", "a"));
            }
            Discord => {
                assert_eq!(standing, Standing::Member);
                assert!(world.discord.is_in("low", "a"));
            }
        }
    }
}

#[test]
fn who_was_taken_out_and_was_booked_as_having_left_did_not_leave() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.set_tier(ada, Tier::Free);
    let mut look = world.begins_to_take_out(ada, Telegram);
    world.set_tier(ada, Tier::Pro);
    world.work_off();
    while world.telegram.is_in("low", "a") {
        assert!(look.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    world.tell("gone low a").unwrap();
    world.work_off();
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::Left)));
    World::ends(look).unwrap();
    world.work_off();
    assert_eq!(world.seen(ada).0, Standing::Invited);
}

#[test]
fn who_was_taken_out_without_an_answer_did_not_leave() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.joins(ada, "a");
    world.set_tier(ada, Tier::Free);
    let look = world.begins_to_take_out(ada, Telegram);
    world.set_tier(ada, Tier::Pro);
    world.work_off();
    world.telegram.books().loses_removals = true;
    World::ends(look).unwrap_err();
    world.work_off();
    assert_eq!(world.seen(ada).0, Standing::Invited);
    // Nothing is given anew where the tier is still over.
    world.joins(ada, "a");
    world.set_tier(ada, Tier::Free);
    world.work_off();
    assert_eq!(world.seen(ada).0, Standing::Leaving);
    world.telegram.books().loses_removals = false;
    world.clock.advance(MINUTE);
    world.work_off();
    assert_eq!(world.seen(ada), (Standing::Out, Some(Why::TierEnded)));
}

#[test]
fn who_was_taken_out_while_another_account_brought_that_one_in_did_not_leave() {
    let world = World::new();
    let (ada, bob) = (world.member("ada", Tier::Pro), world.member("bob", Tier::Pro));
    world.connects(ada, "d");
    world.set_tier(ada, Tier::Free);
    let look = world.begins_to_take_out(ada, Discord);
    world.connects(bob, "d");
    World::ends(look).unwrap();
    assert!(!world.discord.is_in("low", "d"));
    world.work_off();
    assert!(world.discord.is_in("low", "d"));
    assert_eq!(world.own(bob, Discord).standing, Standing::Member);
}

#[test]
fn a_link_that_is_replaced_is_good_no_more() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    let link = world.channel_link(ada);
    world.at(7 * DAY - MICROSECOND);
    let other = now(world.cases.channels.invite(ada, Telegram)).unwrap();
    assert!(other.link.unwrap().0 != link);
    assert!(world.telegram.books().links[&link].is_revoked);
    assert_eq!(world.telegram.follow(&link, "a", world.clock.now()), None);
}

#[test]
fn who_is_in_too_many_channels_is_told_and_may_try_again() {
    let world = World::new();
    let ada = world.member("ada", Tier::Pro);
    world.telegram.books().full.insert("a".into());
    let link = world.channel_link(ada);
    world.joins(ada, "a");
    let own = world.own(ada, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Invited, Some(Trouble::TooMany)));
    assert!(own.link.unwrap().0 != link);
    assert!(world.telegram.books().asking.is_empty(), "who waits cannot ask again");
    assert!(world.telegram.books().links[&link].is_revoked);
    world.telegram.books().full.clear();
    world.joins(ada, "a");
    let own = world.own(ada, Telegram);
    assert_eq!((own.standing, own.trouble), (Standing::Member, None));
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
