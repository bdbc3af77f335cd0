//! Settings of channels.

use alpine_domain::{
    account::{Role, Tier},
    channel::{Membership, Why},
    ports::channels::Platform,
};
use futures_util::FutureExt as _;

use crate::{
    row::{Row, setting},
    stage::{On, PATIENCE, Stage, within},
};

/// A bot whose Telegram nobody answers for.
pub const BOT: [(&str, &str); 4] = [
    ("telegram.bot_token", "1:token-of-the-test"),
    ("telegram.webhook_secret", "0123456789abcdef"),
    ("telegram.api_url", "http://127.0.0.1:1"),
    ("telegram.channels.pro", "-1001000000001"),
];

/// Whether a membership whose time has come is looked at.
pub async fn rechecks(at: &Stage) -> bool {
    at.member("ada@example.com", Tier::Free, Role::User).await;
    let found = at.app.core.use_cases.administration.named("ada@example.com").await.unwrap();
    let (store, now) = (&at.app.core.stores.channels, at.app.now());
    let basis = store.followed(found.id).await.unwrap().unwrap().basis;
    let it = Membership {
        why: Why::TierEnded,
        recheck_at: Some(now),
        ..Membership::new(found.id, Platform::Telegram, "-1001000000001".to_owned(), now)
    };
    store.keep(it, basis).await.unwrap();
    within(PATIENCE, async || {
        let followed = store.followed(found.id).await.unwrap().unwrap();
        // It is put off, and settled soon after that.
        followed.memberships[0].recheck_at != Some(now)
    })
    .await
}

/// Where a member stands with Telegram.
async fn state(at: &Stage) -> String {
    let user = at.member("bob@example.com", Tier::Starter, Role::User).await;
    user.get("users/channels").await.expect(200)["items"][0]["state"].to_string()
}

pub fn rows() -> Vec<Row> {
    vec![
        setting("channels.recheck_interval", "20ms", "true", |at| {
            async move { rechecks(at).await.to_string() }.boxed_local()
        })
        .on(On::MovedClock)
        .besides(&BOT),
        setting("telegram.bot_token", "1:token-of-the-test", "\"not_included\"", |at| {
            state(at).boxed_local()
        })
        .besides(&BOT[1..]),
    ]
}
