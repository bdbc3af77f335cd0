//! Roles of Discord follow the tier, over sockets, on both back ends.

mod fake;

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Tier, UserId};
use alpine_testing::Wait;
use serde_json::{Value, json};

use self::fake::{CLIENT_ID, CLIENT_SECRET, FakeDiscord, GUILD, Mood, REDIRECT, TOKEN};
use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options},
};

const STARTER: &str = "323456789012345678";
const PRO: &str = "423456789012345678";
const ELITE: &str = "523456789012345678";
const ADA: &str = "623456789012345678";
const SCOPES: &str = "identify guilds.join";

struct Scene {
    alpine: Alpine,
    discord: FakeDiscord,
    user: Client,
    id: UserId,
}

impl Scene {
    async fn on_every_back_end(test: impl AsyncFn(Self)) {
        for backend in crate::support::backends() {
            let discord = FakeDiscord::start();
            let options = Options::default()
                .set("ALPINE__DISCORD__API_URL", &discord.url)
                .set("ALPINE__DISCORD__BOT_TOKEN", TOKEN)
                .set("ALPINE__DISCORD__CLIENT_ID", CLIENT_ID)
                .set("ALPINE__DISCORD__CLIENT_SECRET", CLIENT_SECRET)
                .set("ALPINE__DISCORD__GUILD", GUILD)
                .set("ALPINE__DISCORD__REDIRECT_URL", REDIRECT)
                .set("ALPINE__DISCORD__TIMEOUT", "1s")
                .set("ALPINE__DISCORD__ROLES__STARTER", STARTER)
                .set("ALPINE__DISCORD__ROLES__PRO", PRO)
                .set("ALPINE__DISCORD__ROLES__ELITE", ELITE)
                .set("ALPINE__JOBS__INTERVAL", "50ms");
            let alpine = Alpine::start(&backend, options).await;
            let signed_in = alpine.sign_in_as(Tier::Free, Role::User).await;
            let user = alpine.as_holder(Some(&signed_in.access_token));
            let id = signed_in.user["id"].as_str().unwrap().parse().unwrap();
            test(Self { alpine, discord, user, id }).await;
        }
    }

    async fn tier(&self, tier: Tier) {
        let (app, accounts) = (&self.alpine.app, &self.alpine.app.core.stores.accounts);
        accounts.set_tier_and_role(self.id, tier, Role::User, app.now()).await.unwrap();
    }

    async fn channel(&self) -> Value {
        let listed = self.user.get("users/channels").await.expect(200);
        let mut items = listed["items"].as_array().unwrap().iter();
        items.find(|it| it["name"] == "discord").unwrap().clone()
    }

    async fn comes_to(&self, state: &str) -> Value {
        let promise = "a job that is done at once; five seconds for a busy machine";
        Wait::promised(Duration::from_secs(5), Instant::now(), promise)
            .until(state, async || self.channel().await["state"] == state)
            .await;
        self.channel().await
    }

    /// Within a minute after the tier changed.
    async fn has_roles(&self, roles: &[&str], since: Instant) {
        Wait::promised(Duration::from_mins(1), since, "roles follow within a minute")
            .until("the roles", async || self.discord.roles(ADA) == roles)
            .await;
    }

    async fn connect(&self, (code, state): &(String, String)) -> Answer {
        self.user
            .post("users/channels/discord/connect", &json!({"code": code, "state": state}))
            .await
    }

    async fn joins(&self) {
        let link = self.comes_to("invited").await["link"].as_str().unwrap().to_owned();
        let told = self.connect(&self.discord.agree(&link, ADA, SCOPES)).await.expect(200);
        assert_eq!(told["state"], "member");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_connects_and_roles_follow_the_tier() {
    Scene::on_every_back_end(async |it| {
        it.tier(Tier::Pro).await;
        let link = it.comes_to("invited").await["link"].as_str().unwrap().to_owned();
        // Another account cannot use it, nor can a code that Discord did not give, or for less.
        let back = it.discord.agree(&link, ADA, SCOPES);
        let other = it.alpine.token_of(Tier::Pro, Role::User).await;
        let other = it.alpine.as_holder(Some(&other));
        let body = json!({"code": back.0, "state": back.1});
        assert_eq!(other.post("users/channels/discord/connect", &body).await.status, 403);
        let wrong = it.connect(&("unheard of".to_owned(), back.1.clone())).await;
        assert_eq!((wrong.status.as_u16(), wrong.refused_fields()), (400, vec!["code".to_owned()]));
        let less = it.discord.agree(&link, ADA, "identify");
        assert_eq!(it.connect(&less).await.refused_fields(), ["code"]);
        assert_eq!(it.discord.roles(ADA), [""; 0]);

        let told = it.connect(&back).await.expect(200);
        assert_eq!((&told["state"], &told["reason"]), (&json!("member"), &json!("tier_opens")));
        assert_eq!(it.discord.roles(ADA), [PRO]);
        assert_eq!(it.connect(&it.discord.agree(&link, ADA, SCOPES)).await.status, 403, "used");

        for (tier, roles) in [
            (Tier::Elite, vec![ELITE]),
            (Tier::Starter, vec![STARTER]),
            (Tier::Free, vec![]),
            (Tier::Pro, vec![PRO]),
        ] {
            let since = Instant::now();
            it.tier(tier).await;
            it.has_roles(&roles, since).await;
        }
        // Who left the server asks for another link.
        it.comes_to("member").await;
        it.discord.books().members.clear();
        let again = it.user.post("users/channels/discord/invite", &json!({})).await.expect(200);
        assert_eq!(again["state"], "invited");
        it.joins().await;
        assert_eq!(it.discord.roles(ADA), [PRO]);
        let since = Instant::now();
        it.tier(Tier::Free).await;
        it.has_roles(&[], since).await;
        assert_eq!(it.comes_to("out").await["reason"], "tier_ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discord_that_fails_hangs_or_limits_is_asked_again() {
    Scene::on_every_back_end(async |it| {
        it.tier(Tier::Pro).await;
        it.joins().await;
        for (mood, trouble) in [
            (Mood::Refusing(503, 0, "no healthy upstream"), "away"),
            (Mood::Hanging, "away"),
            (Mood::Limiting(1, 4.5), "away"),
            (Mood::Refusing(403, 50_013, "Missing Permissions"), "set_up"),
            (Mood::Refusing(404, 10_011, "Unknown Role"), "set_up"),
            (Mood::Refusing(401, 0, "401: Unauthorized"), "set_up"),
        ] {
            it.discord.set(mood.clone());
            it.tier(Tier::Free).await;
            let promise = "a call may take a second; ten for a busy machine";
            Wait::promised(Duration::from_secs(10), Instant::now(), promise)
                .until("the trouble", async || it.channel().await["trouble"] == trouble)
                .await;
            assert_eq!(it.channel().await["state"], "leaving", "{mood:?}");
            assert_eq!(it.discord.roles(ADA), [PRO], "{mood:?}");
            it.alpine.until_no_job_is_under_way().await;
            it.discord.set(Mood::Good);
            if matches!(mood, Mood::Limiting(..)) {
                tokio::time::sleep(Duration::from_millis(4_600)).await;
            }
            let since = Instant::now();
            it.alpine.clock.advance(Duration::from_secs(31));
            it.has_roles(&[], since).await;
            assert_eq!(it.comes_to("out").await["trouble"], Value::Null, "{mood:?}");
            it.tier(Tier::Pro).await;
            it.has_roles(&[PRO], Instant::now()).await;
            it.comes_to("member").await;
        }
    })
    .await;
}
