//! A messenger that does what it is told, and is away, or never answers, when it is told so.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Mutex, MutexGuard},
    task::Poll,
};

use alpine_domain::{
    Error, Result, Timestamp,
    account::{Secret, Tier},
    channel::{ChannelSettings, Places},
    ports::channels::{Admission, ChannelNews, ChannelPlatform, Platform, Presence, Proved},
};
use async_trait::async_trait;

use crate::support::DAY;

/// Where the tiers lead: two of them to one place.
pub(crate) const PLACES: [(Tier, &str); 3] =
    [(Tier::Starter, "low"), (Tier::Pro, "low"), (Tier::Elite, "top")];

pub(crate) fn channel_settings() -> ChannelSettings {
    let places = || Places(PLACES.map(|(tier, place)| (tier, place.to_owned())).into());
    ChannelSettings {
        places: BTreeMap::from([(Platform::Telegram, places()), (Platform::Discord, places())]),
        invite_ttl: 7 * DAY,
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) place: String,
    pub(crate) name: String,
    pub(crate) until: Timestamp,
    pub(crate) is_revoked: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) links: BTreeMap<String, Link>,
    /// Places and who is in.
    pub(crate) members: BTreeSet<(String, String)>,
    pub(crate) barred: BTreeSet<(String, String)>,
    pub(crate) staff: BTreeSet<(String, String)>,
    /// Places, who waits, and by which name.
    pub(crate) asking: BTreeMap<(String, String), String>,
    /// Who has joined as far as everybody may.
    pub(crate) brought: BTreeSet<String>,
    /// Who is in as many places as anybody may be.
    pub(crate) full: BTreeSet<String>,
    /// Every call, in order.
    pub(crate) calls: Vec<String>,
    pub(crate) is_away: bool,
    /// Who is taken out is out, and nobody hears of it.
    pub(crate) loses_removals: bool,
    /// The bot has lost its rights.
    pub(crate) is_powerless: bool,
}

pub(crate) struct FakeMessenger {
    books: Mutex<Books>,
    platform: Platform,
}

/// Gives way once.
async fn pause() {
    let mut gave_way = false;
    poll_fn(
        move |_| {
            if std::mem::replace(&mut gave_way, true) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
    .await;
}

fn at(place: &str, member: &str) -> (String, String) {
    (place.to_owned(), member.to_owned())
}

impl FakeMessenger {
    pub(crate) fn new(platform: Platform) -> Self {
        Self { books: Mutex::default(), platform }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// A call: it gives way before it is done, and before its caller hears of it.
    async fn call<T>(&self, name: &str, work: impl FnOnce(&mut Books) -> T) -> Result<T> {
        pause().await;
        let done = {
            let mut books = self.books();
            books.calls.push(name.to_owned());
            if books.is_away {
                Err(Error::unavailable("the messenger", "no answer"))
            } else if books.is_powerless {
                Err(Error::internal("not enough rights"))
            } else {
                let done = work(&mut books);
                if books.loses_removals && name == "remove" {
                    Err(Error::unavailable("the messenger", "no answer"))
                } else {
                    Ok(done)
                }
            }
        };
        pause().await;
        done
    }

    pub(crate) fn is_in(&self, place: &str, member: &str) -> bool {
        self.books().members.contains(&at(place, member))
    }

    /// Somebody follows a link: what the messenger tells then, if anything.
    pub(crate) fn follow(&self, link: &str, member: &str, now: Timestamp) -> Option<String> {
        let mut books = self.books();
        let found = books.links.get(link)?.clone();
        let who = at(&found.place, member);
        let may = !found.is_revoked
            && now < found.until
            && !books.members.contains(&who)
            && !books.barred.contains(&who);
        if !may {
            return None;
        }
        let told = format!("asked {} {member} {}", found.place, found.name);
        books.asking.insert(who, found.name);
        Some(told)
    }

    /// Somebody leaves.
    pub(crate) fn leave(&self, place: &str, member: &str) -> Option<String> {
        self.books().members.remove(&at(place, member)).then(|| format!("gone {place} {member}"))
    }
}

#[async_trait]
impl ChannelPlatform for FakeMessenger {
    fn platform(&self) -> Platform {
        self.platform
    }

    fn knows_members(&self) -> bool {
        self.platform == Platform::Discord
    }

    async fn invite(&self, place: &str, invite: &str, until: Timestamp) -> Result<String> {
        self.call("invite", |books| {
            let link = format!("https://messenger/{}", books.links.len());
            let made =
                Link { place: place.to_owned(), name: invite.to_owned(), until, is_revoked: false };
            books.links.insert(link.clone(), made);
            link
        })
        .await
    }

    async fn revoke(&self, _: &str, link: &str) -> Result<()> {
        self.call("revoke", |books| books.links.get_mut(link).unwrap().is_revoked = true).await
    }

    async fn presence(&self, place: &str, member: &str) -> Result<Presence> {
        self.call("presence", |books| {
            let who = at(place, member);
            if books.staff.contains(&who) {
                Presence::Staff
            } else if books.members.contains(&who) {
                Presence::In
            } else if books.barred.contains(&who) {
                Presence::Barred
            } else {
                Presence::Out
            }
        })
        .await
    }

    async fn admit(&self, place: &str, member: &str) -> Result<Admission> {
        let knows = self.knows_members();
        self.call("admit", |books| {
            let who = at(place, member);
            if books.full.contains(member) {
                return Admission::TooMany;
            }
            let may = if knows {
                books.brought.contains(member)
            } else {
                books.asking.remove(&who).is_some()
            };
            if !may {
                return Admission::NotAsking;
            }
            books.members.insert(who);
            Admission::In
        })
        .await
    }

    async fn refuse(&self, place: &str, member: &str) -> Result<()> {
        self.call("refuse", |books| _ = books.asking.remove(&at(place, member))).await
    }

    async fn remove(&self, place: &str, member: &str, _: Timestamp) -> Result<()> {
        self.call("remove", |books| _ = books.members.remove(&at(place, member))).await
    }

    fn news(&self, secret: &str, body: &[u8]) -> Result<ChannelNews> {
        if secret != "good" {
            return Err(Error::malformed("secret", "is not the messenger's"));
        }
        let text = std::str::from_utf8(body).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        let owned = |n: usize| words[n].to_owned();
        Ok(match words[0] {
            "asked" => ChannelNews::Asked { place: owned(1), member: owned(2), invite: owned(3) },
            "gone" => ChannelNews::Gone { place: owned(1), member: owned(2) },
            _ => ChannelNews::Nothing,
        })
    }

    /// A code is the member's name.
    async fn prove(&self, code: &str) -> Result<Proved> {
        let proved = || Proved { member: code.to_owned(), grant: Secret::new("grant") };
        self.call("prove", |_| proved()).await
    }

    async fn bring(&self, proved: &Proved) -> Result<()> {
        self.call("bring", |books| _ = books.brought.insert(proved.member.clone())).await
    }
}
