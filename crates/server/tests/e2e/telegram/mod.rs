//! A channel of Telegram follows the tier, over sockets, on both back ends.

pub mod fake;
mod killed;

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Tier, UserId};
use alpine_testing::Wait;
use serde_json::{Value, json};

use self::fake::{FakeTelegram, Mood, SECRET, TOKEN};
use crate::{
    alpine::Alpine,
    stripe::{fake::FakeStripe, paid_by},
    support::{Answer, Client, Options},
};

pub const LOW: i64 = -1_001_000_000_001;
pub const HIGH: i64 = -1_001_000_000_002;

/// The bot and its channels, by environment name.
pub fn settings(telegram: &FakeTelegram) -> Vec<(&'static str, String)> {
    vec![
        ("ALPINE__TELEGRAM__API_URL", telegram.url.clone()),
        ("ALPINE__TELEGRAM__BOT_TOKEN", TOKEN.to_owned()),
        ("ALPINE__TELEGRAM__WEBHOOK_SECRET", SECRET.to_owned()),
        ("ALPINE__TELEGRAM__TIMEOUT", "1s".to_owned()),
        ("ALPINE__TELEGRAM__CHANNELS__STARTER", LOW.to_string()),
        ("ALPINE__TELEGRAM__CHANNELS__PRO", LOW.to_string()),
        ("ALPINE__TELEGRAM__CHANNELS__ELITE", HIGH.to_string()),
    ]
}

struct Scene {
    alpine: Alpine,
    telegram: FakeTelegram,
    user: Client,
    id: UserId,
}

impl Scene {
    async fn on_every_back_end(test: impl AsyncFn(Self)) {
        Self::with(Options::default, test).await;
    }

    /// The same with other settings besides.
    async fn with(options: impl Fn() -> Options, test: impl AsyncFn(Self)) {
        for backend in crate::support::backends() {
            let telegram = FakeTelegram::start();
            let options = settings(&telegram)
                .iter()
                .fold(options(), |options, (name, value)| options.set(name, value));
            let options = options.set("ALPINE__CHANNELS__RECHECK_INTERVAL", "50ms");
            let options = options.set("ALPINE__CHANNELS__INVITE_TTL", "3d");
            let alpine =
                Alpine::start(&backend, options.set("ALPINE__JOBS__INTERVAL", "50ms")).await;
            let signed_in = alpine.sign_in_as(Tier::Free, Role::User).await;
            let user = alpine.as_holder(Some(&signed_in.access_token));
            let id = signed_in.user["id"].as_str().unwrap().parse().unwrap();
            test(Self { alpine, telegram, user, id }).await;
        }
    }

    async fn admin_sets(&self, change: Value) {
        let admin = self.alpine.as_holder(Some(&self.alpine.admin_token().await));
        let request = admin.request(reqwest::Method::PATCH, &format!("admin/users/{}", self.id));
        admin.send(request.json(&change)).await.expect(200);
    }

    async fn channel(&self) -> Value {
        let listed = self.user.get("users/channels").await.expect(200);
        let mut items = listed["items"].as_array().unwrap().iter();
        items.find(|it| it["name"] == "telegram").unwrap().clone()
    }

    /// What is a job is done at once.
    async fn comes_to(&self, state: &str) -> Value {
        let promise = "a job that is done at once; five seconds for a busy machine";
        Wait::promised(Duration::from_secs(5), Instant::now(), promise)
            .until(state, async || self.channel().await["state"] == state)
            .await;
        self.channel().await
    }

    async fn deliver(&self, update: &Value, secret: &str) -> Answer {
        let anybody = self.alpine.as_holder(None);
        let request = anybody
            .request(reqwest::Method::POST, "webhooks/telegram")
            .header("x-telegram-bot-api-secret-token", secret)
            .json(update);
        anybody.send(request).await
    }

    /// The user is invited, follows the link as this person, and is in.
    async fn joins(&self, person: i64) {
        let link = self.comes_to("invited").await["link"].as_str().unwrap().to_owned();
        let update = self.telegram.follow(&link, person);
        self.deliver(&update, SECRET).await.expect(200);
        self.comes_to("member").await;
    }

    /// Within a minute after the tier ended.
    async fn is_out(&self, chat: i64, person: i64, since: Instant) {
        Wait::promised(Duration::from_mins(1), since, "removal within a minute when a tier ends")
            .until("the member is out", async || !self.telegram.is_in(chat, person))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_invited_comes_in_and_is_taken_out_with_the_tier() {
    Scene::on_every_back_end(async |it| {
        let none = it.channel().await;
        assert_eq!((&none["state"], &none["link"]), (&json!("not_included"), &Value::Null));
        let refused = it.user.post("users/channels/telegram/invite", &json!({})).await;
        let (status, _, problem) = refused.told();
        assert_eq!((status, problem.contains("no-channel")), (409, true), "{problem}");

        it.admin_sets(json!({"tier": "pro", "reason": "paid by invoice"})).await;
        let invited = it.comes_to("invited").await;
        let link = invited["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with("https://t.me/+"), "{link}");
        let until = it.alpine.app.now().later(Duration::from_hours(3 * 24)).to_string();
        assert_eq!(invited["link_expires_at"], json!(until));
        assert_eq!(it.telegram.books().links[&link]["creates_join_request"], true);
        let same = it.user.post("users/channels/telegram/invite", &json!({})).await.expect(200);
        assert_eq!(same["link"], json!(link));

        // Two people follow it, the second too late; the news comes twice.
        let [first, second] = [7, 8].map(|person| it.telegram.follow(&link, person));
        for update in [&first, &second, &first] {
            it.deliver(update, SECRET).await.expect(200);
        }
        it.comes_to("member").await;
        assert!(it.telegram.is_in(LOW, 7) && !it.telegram.is_in(LOW, 8));
        assert!(it.telegram.books().asking.is_empty(), "the second is refused");
        assert_eq!(it.telegram.books().links[&link]["is_revoked"], true);

        // Another tier, another channel.
        let since = Instant::now();
        it.admin_sets(json!({"tier": "elite", "reason": "paid by invoice"})).await;
        it.is_out(LOW, 7, since).await;
        it.joins(7).await;
        assert!(it.telegram.is_in(HIGH, 7));

        let since = Instant::now();
        it.admin_sets(json!({"tier": "free", "reason": "the invoice was not paid"})).await;
        it.is_out(HIGH, 7, since).await;
        let out = it.comes_to("out").await;
        assert_eq!(out["reason"], "tier_ended");
        let told = "You are not in the channel: the tier that opened it ended on 2026-01-01.";
        assert_eq!(out["message"], told);
        let stands = it.telegram.books().members[&(HIGH, 7)];
        assert_eq!(stands, "left", "nothing keeps the member from coming back");
        let export = it.user.get("users/export").await.expect(200);
        assert_eq!(export["channels"][0]["reason"], "tier_ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_or_deletes_the_account_is_out() {
    Scene::on_every_back_end(async |it| {
        it.admin_sets(json!({"tier": "pro", "reason": "a trial"})).await;
        it.joins(7).await;
        let since = Instant::now();
        it.admin_sets(json!({"is_active": false, "reason": "shares the account"})).await;
        it.is_out(LOW, 7, since).await;
        it.admin_sets(json!({"is_active": true, "reason": "it was somebody else"})).await;
        let token = it.alpine.token_of(Tier::Free, Role::User).await;
        let user = it.alpine.as_holder(Some(&token));
        let it = Scene { user, ..it };
        it.joins(7).await;
        let since = Instant::now();
        let request = it.user.request(reqwest::Method::DELETE, "users/account");
        it.user.send(request.json(&json!({"password": Client::PASSWORD}))).await.expect(200);
        it.is_out(LOW, 7, since).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_may_ask_for_another_link() {
    Scene::on_every_back_end(async |it| {
        it.admin_sets(json!({"tier": "starter", "reason": "a trial"})).await;
        it.joins(7).await;
        let left = it.telegram.leave(LOW, 7);
        it.deliver(&left, SECRET).await.expect(200);
        assert_eq!(it.comes_to("out").await["reason"], "left");
        let again = it.user.post("users/channels/telegram/invite", &json!({})).await.expect(200);
        assert_eq!(again["state"], "invited");
        it.joins(7).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_too_many_channels_is_told_and_tries_again() {
    Scene::on_every_back_end(async |it| {
        it.admin_sets(json!({"tier": "starter", "reason": "a trial"})).await;
        let link = it.comes_to("invited").await["link"].clone();
        it.telegram.books().full.insert(7);
        let update = it.telegram.follow(link.as_str().unwrap(), 7);
        it.deliver(&update, SECRET).await.expect(200);
        let promise = "a job that is done at once; five seconds for a busy machine";
        let is_told = async || it.channel().await["trouble"] == "too_many";
        Wait::promised(Duration::from_secs(5), Instant::now(), promise)
            .until("the member is told", is_told)
            .await;
        let told = it.comes_to("invited").await;
        assert!(told["message"].as_str().unwrap().contains("leave one"), "{told}");
        assert_ne!(told["link"], link);
        it.telegram.books().full.clear();
        it.joins(7).await;
        assert_eq!(it.channel().await["trouble"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telegram_did_not_send_is_refused_and_has_no_effect() {
    Scene::on_every_back_end(async |it| {
        it.admin_sets(json!({"tier": "pro", "reason": "a trial"})).await;
        let link = it.comes_to("invited").await["link"].as_str().unwrap().to_owned();
        let update = it.telegram.follow(&link, 7);
        for secret in ["", "x", &SECRET[1..], &format!("{SECRET}x"), &SECRET.to_uppercase()] {
            let answer = it.deliver(&update, secret).await;
            assert_eq!(answer.status, 400, "{secret}");
            assert_eq!(answer.refused_fields(), ["X-Telegram-Bot-Api-Secret-Token"], "{secret}");
        }
        let anybody = it.alpine.as_holder(None);
        assert_eq!(anybody.post("webhooks/telegram", &update).await.status, 400);
        assert_eq!(it.deliver(&json!({"no": "update"}), SECRET).await.status, 400);
        assert_eq!(it.channel().await["state"], "invited");
        // What does not concern Alpine is taken, or it would come for a day.
        it.deliver(&json!({"update_id": 1, "message": {}}), SECRET).await.expect(200);
        it.deliver(&update, SECRET).await.expect(200);
        it.comes_to("member").await;
    })
    .await;
}

/// Stripe says that somebody pays, and that the period has ended.
#[tokio::test(flavor = "multi_thread")]
async fn who_pays_is_invited_and_who_pays_no_more_is_out() {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    let stripe = FakeStripe::start();
    Scene::with(
        || paid_by(&stripe),
        async |it| {
            stripe.books().objects.remove("customers");
            it.user.post("subscriptions/upgrade", &json!({"tier": "pro"})).await.expect(200);
            let customer = stripe.books().objects["customers"][0]["id"].clone();
            stripe.pay(customer.as_str().unwrap(), it.alpine.app.now().seconds(), 30);
            // A checkout that was begun is looked at after two minutes, though no event came.
            it.alpine.clock.advance(Duration::from_secs(121));
            it.joins(7).await;
            it.user.post("subscriptions/cancel", &json!({})).await.expect(200);
            let since = Instant::now();
            it.alpine.clock.advance(MONTH + Duration::from_mins(1));
            it.is_out(LOW, 7, since).await;
        },
    )
    .await;
}

/// Whatever Telegram answers, access is taken back once it answers well, and the member is told meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_telegram_that_fails_hangs_or_limits_is_asked_again() {
    const RIGHTS: &str = "Bad Request: not enough rights to restrict/unrestrict chat member";
    Scene::on_every_back_end(async |it| {
        it.admin_sets(json!({"tier": "pro", "reason": "a trial"})).await;
        it.joins(7).await;
        for (mood, trouble) in [
            (Mood::Refusing(500, "Internal Server Error"), "away"),
            (Mood::Broken, "away"),
            (Mood::Hanging, "away"),
            (Mood::Limiting(1, 5), "away"),
            (Mood::Refusing(400, RIGHTS), "set_up"),
            (Mood::Refusing(403, "Forbidden: bot was kicked from the channel chat"), "set_up"),
            (Mood::Refusing(401, "Unauthorized"), "set_up"),
        ] {
            it.telegram.set(mood.clone());
            it.admin_sets(json!({"tier": "free", "reason": "not paid"})).await;
            let promise = "a call may take a second; ten for a busy machine";
            Wait::promised(Duration::from_secs(10), Instant::now(), promise)
                .until("the trouble", async || it.channel().await["trouble"] == trouble)
                .await;
            let told = it.channel().await;
            assert_eq!(told["state"], "leaving", "{mood:?}: {told}");
            assert!(it.telegram.is_in(LOW, 7), "{mood:?}");
            // The first pauses are 5 to 10 seconds and those asked for, by the clock that jobs go by.
            it.alpine.until_no_job_is_under_way().await;
            it.telegram.set(Mood::Good);
            if matches!(mood, Mood::Limiting(..)) {
                // What Telegram asked for is kept by the steady clock, whoever calls.
                let asked = it.telegram.books().asked.len();
                let other = it.alpine.token_of(Tier::Starter, Role::User).await;
                let other = it.alpine.as_holder(Some(&other));
                let told =
                    other.post("users/channels/telegram/invite", &json!({})).await.expect(200);
                assert_eq!(
                    (&told["state"], &told["trouble"]),
                    (&json!("preparing"), &json!("away"))
                );
                assert_eq!(it.telegram.books().asked.len(), asked, "it was asked for a pause");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            it.alpine.until_no_job_is_under_way().await;
            let since = Instant::now();
            it.alpine.clock.advance(Duration::from_secs(31));
            it.is_out(LOW, 7, since).await;
            assert_eq!(it.comes_to("out").await["trouble"], Value::Null, "{mood:?}");
            it.admin_sets(json!({"tier": "pro", "reason": "paid again"})).await;
            it.joins(7).await;
        }
    })
    .await;
}

/// What operators and clients see holds nothing of the bot's token, which stands in each address that is asked.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_bot_is_configured_nothing_is_offered() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Pro, Role::User).await;
        let user = alpine.as_holder(Some(&token));
        let listed = user.get("users/channels").await.expect(200);
        let states = listed["items"].as_array().unwrap().iter().map(|it| it["state"].clone());
        assert_eq!(states.collect::<Vec<_>>(), ["not_offered", "not_offered"]);
        let (status, _, problem) =
            user.post("users/channels/telegram/invite", &json!({})).await.told();
        assert_eq!((status, problem.contains("channels-off")), (409, true), "{problem}");
        assert_eq!(user.post("users/channels/irc/invite", &json!({})).await.status, 404);
    })
    .await;
}
