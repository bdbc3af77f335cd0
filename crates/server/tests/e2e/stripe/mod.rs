//! Payments by Stripe, over sockets, on both back ends.

pub mod fake;
mod shapes;

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Secret, Tier};
use alpine_infra::payments::sign;
use alpine_testing::Wait;
use serde_json::{Value, json};

use self::fake::{FakeStripe, KEY, Mood, WEBHOOK_SECRET, object};
use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options},
};

const DAY: Duration = Duration::from_hours(24);

/// With Stripe's key and prices, and this Stripe.
pub fn paid_by(stripe: &FakeStripe) -> Options {
    Options::default()
        .set("ALPINE__BILLING__STRIPE_URL", &stripe.url)
        .set("STRIPE_SECRET_KEY", KEY)
        .set("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .set("STRIPE_STARTER_PRICE_ID", "price_starter")
        .set("STRIPE_PRO_PRICE_ID", "price_pro")
        .set("STRIPE_ELITE_PRICE_ID", "price_elite")
        .set("ALPINE__BILLING__YEARLY_PRICES__PRO", "price_pro_year")
        .set("ALPINE__BILLING__TIMEOUT", "1s")
        .set("ALPINE__BILLING__RECHECK_INTERVAL", "50ms")
}

struct Scene {
    alpine: Alpine,
    stripe: FakeStripe,
    user: Client,
}

impl Scene {
    async fn on_every_back_end(test: impl AsyncFn(Self)) {
        for backend in crate::support::backends() {
            let stripe = FakeStripe::start();
            let alpine = Alpine::start(&backend, paid_by(&stripe)).await;
            let token = alpine.token_of(Tier::Free, Role::User).await;
            let user = alpine.as_holder(Some(&token));
            test(Self { alpine, stripe: stripe.clone(), user }).await;
            stripe.expect_faultless();
        }
    }

    /// Begins a checkout; the customer.
    async fn upgrade(&self, tier: &str) -> String {
        let answer =
            self.user.post("subscriptions/upgrade", &json!({"tier": tier})).await.expect(200);
        let url = answer["checkout_url"].as_str().unwrap();
        assert!(url.starts_with("https://checkout.example.com/"), "{url}");
        let books = self.stripe.books();
        books.objects["customers"][0]["id"].as_str().unwrap().to_owned()
    }

    /// An event arrives that concerns this customer.
    async fn hear(&self, kind: &str, customer: &str) -> Answer {
        let object = object("subscription", json!({"id": "sub_1", "customer": customer}));
        let (_, body) = self.stripe.event(kind, &object);
        self.deliver(&body).await
    }

    async fn deliver(&self, body: &str) -> Answer {
        let secret = Secret::new(WEBHOOK_SECRET);
        let header = sign(&secret, self.alpine.app.now(), body.as_bytes());
        self.signed(body, &header).await
    }

    async fn signed(&self, body: &str, header: &str) -> Answer {
        let anybody = self.alpine.as_holder(None);
        let request = anybody
            .request(reqwest::Method::POST, "webhooks/stripe")
            .header("stripe-signature", header)
            .header("content-type", "application/json")
            .body(body.to_owned());
        anybody.send(request).await
    }

    async fn plan(&self) -> Value {
        self.user.get("subscriptions/plan").await.expect(200)
    }

    /// A tier follows a 200 within what a job takes.
    async fn comes_to(&self, tier: &str) {
        let promise = "an event is a job that is done at once; five seconds for a busy machine";
        Wait::promised(Duration::from_secs(5), Instant::now(), promise)
            .until("the tier", async || self.plan().await["tier"] == tier)
            .await;
    }

    fn seconds(&self) -> i64 {
        self.alpine.app.now().seconds()
    }
}

/// The whole journey of a subscriber, and what each step shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_pays_sees_cancels_and_sees_no_more() {
    Scene::on_every_back_end(async |it| {
        assert_eq!(it.plan().await["tier"], "free");
        let body = crate::support::SignalBody::new("premium", "90");
        it.alpine.ingest(&body.to_json()).await.expect(201);
        let seen = async || {
            it.user.get("signals/subscribed").await.expect(200)["items"].as_array().unwrap().len()
        };
        assert_eq!(seen().await, 0, "it is for pro");

        let customer = it.upgrade("pro").await;
        assert_eq!(it.plan().await["tier"], "free", "nothing is paid");
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("customer.subscription.created", &customer).await.expect(200);
        it.comes_to("pro").await;
        assert_eq!(seen().await, 1);
        let plan = it.plan().await;
        assert_eq!(plan["price"], 99.0);
        assert_eq!((&plan["status"], &plan["interval"]), (&json!("active"), &json!("month")));
        assert_eq!(plan["stripe_subscription_id"], id);
        assert_eq!(
            (&plan["is_active"], &plan["cancel_at_period_end"]),
            (&json!(true), &json!(false))
        );
        let end = it.alpine.app.now().later(30 * DAY).to_string();
        assert_eq!(plan["current_period_end"], json!(end));

        let invoices = it.user.get("subscriptions/invoices").await.expect(200);
        assert_eq!(invoices["items"][0]["amount_paid"], 9_900);
        assert_eq!(invoices["items"][0]["status"], "paid");
        let portal = it.user.post("subscriptions/portal", &json!({})).await.expect(200);
        assert!(portal["portal_url"].as_str().unwrap().starts_with("https://portal.example.com/"));

        it.user.post("subscriptions/cancel", &json!({})).await.expect(200);
        assert_eq!(it.plan().await["cancel_at_period_end"], true);
        it.user.post("subscriptions/resume", &json!({})).await.expect(200);
        assert_eq!(it.plan().await["cancel_at_period_end"], false);
        it.user.post("subscriptions/cancel", &json!({})).await.expect(200);
        assert_eq!((it.plan().await["tier"].clone(), seen().await), (json!("pro"), 1));

        // The period ends, and nothing is heard of it.
        it.alpine.clock.advance(30 * DAY + Duration::from_secs(61));
        let token = it.alpine.token_of(Tier::Free, Role::User).await;
        let user = it.alpine.as_holder(Some(&token));
        Wait::promised(
            Duration::from_secs(5),
            Instant::now(),
            "looked at a minute after the period's end, every `billing.recheck_interval`",
        )
        .until("the tier", async || {
            user.get("subscriptions/plan").await.expect(200)["tier"] == "free"
        })
        .await;
        let seen = user.get("signals/subscribed").await.expect(200);
        assert_eq!(seen["items"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_copies_of_an_event_have_one_effect() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        it.stripe.pay(&customer, it.seconds(), 30);
        let (id, body) = it
            .stripe
            .event("invoice.paid", &object("invoice", json!({"id": "in_1", "customer": customer})));
        let before = it.stripe.books().asked.len();
        let copies = (0..50).map(|_| it.deliver(&body));
        for answer in futures_util::future::join_all(copies).await {
            let told = answer.expect(200);
            assert_eq!(
                told,
                json!({"status": "received", "event_type": "invoice.paid", "event_id": id})
            );
        }
        it.comes_to("pro").await;
        let read = async || {
            let books = it.stripe.books();
            books.asked[before..]
                .iter()
                .filter(|asked| *asked == &format!("GET customers/{customer}"))
                .count()
        };
        assert_eq!(read().await, 1, "one job, one reading");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_did_not_sign_is_refused_and_has_no_effect() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        let (_, body) =
            it.stripe.event("invoice.paid", &object("invoice", json!({"customer": customer})));
        let good = |secret: &str, ahead: i64| {
            let at = it.alpine.app.now();
            let at = if ahead < 0 {
                at.earlier(Duration::from_secs(ahead.unsigned_abs()))
            } else {
                at.later(Duration::from_secs(ahead.unsigned_abs()))
            };
            sign(&Secret::new(secret), at, body.as_bytes())
        };
        let before = it.stripe.books().asked.len();
        for header in [
            String::new(),
            "t=1,v1=00".to_owned(),
            good("whsec_of_somebody_else", 0),
            good(WEBHOOK_SECRET, -301),
            good(WEBHOOK_SECRET, 301),
            good(WEBHOOK_SECRET, 0).replace("v1=", "v0="),
        ] {
            let answer = it.signed(&body, &header).await;
            assert_eq!(answer.status, 400, "{header}");
            assert_eq!(answer.refused_fields(), ["Stripe-Signature"], "{header}");
        }
        let other = body.replace("invoice.paid", "invoice.void");
        assert_eq!(it.signed(&other, &good(WEBHOOK_SECRET, 0)).await.status, 400);
        let live = body.replace("\"livemode\":false", "\"livemode\":true");
        let refused = it.deliver(&live).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refused_fields()),
            (400, vec!["livemode".to_owned()])
        );
        assert_eq!(it.stripe.books().asked.len(), before, "Stripe was asked nothing");
        // Its id was not used up.
        it.deliver(&body).await.expect(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_hangs_or_fails_changes_nobody() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("invoice.paid", &customer).await.expect(200);
        it.comes_to("pro").await;
        it.stripe.change(&id, |it| it["status"] = json!("canceled"));
        for mood in [
            Mood::Failing(500),
            Mood::Failing(429),
            Mood::Failing(401),
            Mood::Failing(404),
            Mood::Hanging,
        ] {
            it.stripe.set(mood);
            // Taken all the same: it is kept, and done later.
            it.hear("customer.subscription.deleted", &customer).await.expect(200);
            let started = Instant::now();
            let refused = it.user.post("subscriptions/cancel", &json!({})).await;
            let expected = match mood {
                Mood::Failing(401 | 404) => 500,
                _ => 503,
            };
            assert_eq!(refused.status, expected, "{mood:?}");
            assert!(started.elapsed() < Duration::from_secs(10), "{mood:?}");
            assert_eq!(it.plan().await["tier"], "pro", "{mood:?}");
        }
        it.stripe.set(Mood::Good);
        it.hear("customer.subscription.deleted", &customer).await.expect(200);
        it.comes_to("free").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_disputes_and_failed_renewals_end_access_and_what_is_mended_gives_it_back() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("invoice.paid", &customer).await.expect(200);
        it.comes_to("pro").await;

        let charge = it.stripe.change_charge(&customer, |it| it["amount_refunded"] = json!(9_900));
        it.hear("charge.refunded", &customer).await.expect(200);
        it.comes_to("free").await;
        it.stripe.change_charge(&customer, |it| it["amount_refunded"] = json!(100));
        it.hear("charge.refund.updated", &customer).await.expect(200);
        it.comes_to("pro").await;

        // A dispute names the charge alone.
        it.stripe.change_charge(&customer, |it| it["disputed"] = json!(true));
        let dispute = object("dispute", json!({"id": "dp_1", "charge": charge, "status": "needs_response", "created": it.seconds()}));
        it.stripe.books().objects.entry("disputes").or_default().push(dispute.clone());
        let (_, body) = it.stripe.event("charge.dispute.created", &dispute);
        it.deliver(&body).await.expect(200);
        it.comes_to("free").await;
        it.stripe.books().objects.get_mut("disputes").unwrap()[0]["status"] = json!("won");
        let (_, body) = it.stripe.event("charge.dispute.closed", &dispute);
        it.deliver(&body).await.expect(200);
        it.comes_to("pro").await;

        // A renewal fails: a week of grace.
        it.stripe.renew(&customer, &id, it.seconds(), 30, false);
        it.hear("invoice.payment_failed", &customer).await.expect(200);
        Wait::promised(Duration::from_secs(5), Instant::now(), "a job, as above")
            .until("the status", async || it.plan().await["status"] == "past_due")
            .await;
        assert_eq!(it.plan().await["tier"], "pro");
        it.alpine.clock.advance(7 * DAY);
        let token = it.alpine.token_of(Tier::Free, Role::User).await;
        let user = it.alpine.as_holder(Some(&token));
        Wait::promised(Duration::from_secs(5), Instant::now(), "looked at when the grace ends")
            .until("the tier", async || user.get("subscriptions/plan").await.expect(200)["tier"] == "free")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tier_is_paid_at_once_and_a_declined_card_changes_nothing() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("starter").await;
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("invoice.paid", &customer).await.expect(200);
        it.comes_to("starter").await;
        let wish = async |tier: &str, interval: &str| {
            it.user
                .post("subscriptions/upgrade", &json!({"tier": tier, "interval": interval}))
                .await
        };
        let (status, _, problem) = wish("starter", "month").await.told();
        assert_eq!((status, problem.contains("already-subscribed")), (409, true), "{problem}");
        it.stripe.change(&id, |it| it["declines_of_the_test"] = json!(true));
        assert_eq!(wish("elite", "month").await.status, 403);
        assert_eq!(it.plan().await["tier"], "starter");
        // Stripe would say the same again to the same key.
        it.stripe.change(&id, |it| it["declines_of_the_test"] = json!(false));
        let done = wish("elite", "month").await.expect(200);
        assert_eq!((&done["tier"], &done["checkout_url"]), (&json!("elite"), &Value::Null));
        assert_eq!(it.plan().await["tier"], "elite");
        it.stripe.books().find_mut("prices", "price_pro_year").unwrap()["unit_amount"] = json!(1);
        assert_eq!(wish("pro", "year").await.status, 500, "it costs something else there");
        it.stripe.books().find_mut("prices", "price_pro_year").unwrap()["unit_amount"] =
            json!(99_000);
        wish("pro", "year").await.expect(200);
        let plan = it.plan().await;
        assert_eq!(
            (&plan["tier"], &plan["interval"], &plan["price"]),
            (&json!("pro"), &json!("year"), &json!(990.0))
        );
        // Who buys something else after all goes on, and what was cancelled does not end.
        it.user.post("subscriptions/cancel", &json!({})).await.expect(200);
        assert_eq!(it.plan().await["cancel_at_period_end"], true);
        wish("starter", "month").await.expect(200);
        let plan = it.plan().await;
        assert_eq!(
            (&plan["tier"], &plan["cancel_at_period_end"]),
            (&json!("starter"), &json!(false))
        );
        assert_eq!(wish("starter", "year").await.refused_fields(), ["interval"], "it has no price");
        assert_eq!(wish("free", "month").await.refused_fields(), ["tier"]);
    })
    .await;
}

/// The comparison reads every page, shows what it cannot mend, and mends the rest.
#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_finds_lost_events_on_every_page() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        it.stripe.pay(&customer, it.seconds(), 30);
        // Subscriptions of others fill three pages before it.
        for _ in 0..230 {
            let now = it.seconds();
            it.stripe.books().subscribe("cus_of_others", "price_elite", now, 30);
        }
        let admin = it.alpine.as_holder(Some(&it.alpine.admin_token().await));
        let state = admin.get("admin/billing").await.expect(200);
        assert_eq!(state, json!({"provider": "stripe", "items": [], "has_more": false}));
        it.alpine.app.core.use_cases.payments.begin_sweep().await.unwrap();
        it.comes_to("pro").await;
        // What nobody here sells.
        it.stripe.books().objects.get_mut("subscriptions").unwrap().last_mut().unwrap()["items"]
            ["data"][0]["price"]["unit_amount"] = json!(1);
        it.alpine.app.core.use_cases.payments.begin_sweep().await.unwrap();
        it.comes_to("free").await;
        let state = admin.get("admin/billing").await.expect(200);
        let problem = state["items"][0]["problem"].as_str().unwrap();
        assert!(
            problem.contains("costs 1 usd, and pro by the month costs 9900 usd here"),
            "{problem}"
        );
    })
    .await;
}

/// Of money that went back nothing is heard: the comparison looks through every page of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_finds_lost_reversals_on_every_page() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("invoice.paid", &customer).await.expect(200);
        it.comes_to("pro").await;
        for (kind, one, change, reversed, harmless) in [
            ("refunds", "refund", "amount_refunded", json!(9_900), json!(0)),
            ("disputes", "dispute", "disputed", json!(true), json!(false)),
        ] {
            let charge = it.stripe.change_charge(&customer, |it| it[change] = reversed);
            let at = it.seconds();
            let reversal = |n: usize, charge: &str| {
                object(one, json!({"id": format!("{one}_{n}"), "charge": charge, "status": "needs_response", "created": at}))
            };
            // Those of others fill two pages before it.
            let mut all: Vec<Value> = (0..230).map(|n| reversal(n, "ch_of_others")).collect();
            all.push(reversal(230, &charge));
            it.stripe.books().objects.insert(kind, all);
            it.alpine.app.core.use_cases.payments.begin_sweep().await.unwrap();
            it.comes_to("free").await;
            it.stripe.books().objects.remove(kind);
            it.stripe.change_charge(&customer, |it| it[change] = harmless);
            it.hear("charge.updated", &customer).await.expect(200);
            it.comes_to("pro").await;
        }
    })
    .await;
}

/// Stripe can end a subscription at another instant than with its period.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_ends_within_its_period_gives_nothing_from_then_on() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        let end = it.alpine.app.now().later(10 * DAY);
        it.stripe.change(&id, |it| it["cancel_at"] = json!(end.seconds()));
        it.hear("customer.subscription.updated", &customer).await.expect(200);
        it.comes_to("pro").await;
        let plan = it.plan().await;
        assert_eq!(
            (&plan["cancel_at_period_end"], &plan["current_period_end"]),
            (&json!(true), &json!(end.to_string()))
        );
        it.alpine.clock.advance(10 * DAY + Duration::from_secs(61));
        let token = it.alpine.token_of(Tier::Free, Role::User).await;
        let user = it.alpine.as_holder(Some(&token));
        Wait::promised(Duration::from_secs(5), Instant::now(), "looked at a minute after the end")
            .until("the tier", async || {
                user.get("subscriptions/plan").await.expect(200)["tier"] == "free"
            })
            .await;
    })
    .await;
}

/// Two secrets are good while one is rotated, and the same wish with the same key is one checkout.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_rotate_and_keys_of_clients_hold() {
    for backend in crate::support::backends() {
        let stripe = FakeStripe::start();
        let both = format!("whsec_another_of_the_test,{WEBHOOK_SECRET}");
        let options = paid_by(&stripe).set("ALPINE__BILLING__WEBHOOK_SECRETS", &both);
        let alpine = Alpine::start(&backend, options).await;
        let token = alpine.token_of(Tier::Free, Role::User).await;
        let it = Scene { user: alpine.as_holder(Some(&token)), alpine, stripe };
        let customer = it.upgrade("pro").await;
        let (_, body) =
            it.stripe.event("invoice.paid", &object("invoice", json!({"customer": customer})));
        for secret in ["whsec_another_of_the_test", WEBHOOK_SECRET] {
            let header = sign(&Secret::new(secret), it.alpine.app.now(), body.as_bytes());
            it.signed(&body, &header).await.expect(200);
        }
        let wish = async |key: &str| {
            let request = it.user.request(reqwest::Method::POST, "subscriptions/upgrade");
            let request = request.header("idempotency-key", key).json(&json!({"tier": "elite"}));
            it.user.send(request).await
        };
        let first = wish("a").await.expect(200)["checkout_url"].clone();
        assert_eq!(wish("a").await.expect(200)["checkout_url"], first);
        assert_eq!(wish("b").await.expect(200)["checkout_url"], first, "one page is open");
        let open = || -> Vec<Value> {
            let books = it.stripe.books();
            let sessions = books.objects["checkout/sessions"].iter();
            sessions.filter(|it| it["status"] == "open").map(|it| it["url"].clone()).collect()
        };
        assert_eq!(open(), [first], "that for pro is good no more");
        it.upgrade("pro").await;
        it.upgrade("elite").await;
        assert_eq!(open().len(), 1);
        for broken in ["", "with space", &"x".repeat(256)] {
            assert_eq!(wish(broken).await.refused_fields(), ["Idempotency-Key"], "{broken:?}");
        }
        it.stripe.expect_faultless();
    }
}

/// Deleting the account ends the subscription at Stripe.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_pays_no_more() {
    Scene::on_every_back_end(async |it| {
        let customer = it.upgrade("pro").await;
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        it.hear("invoice.paid", &customer).await.expect(200);
        it.comes_to("pro").await;
        let request = it.user.request(reqwest::Method::DELETE, "users/account");
        it.user.send(request.json(&json!({"password": Client::PASSWORD}))).await.expect(200);
        Wait::promised(Duration::from_secs(5), Instant::now(), "a job, as above")
            .until("the end", async || {
                let books = it.stripe.books();
                books.objects["subscriptions"]
                    .iter()
                    .any(|it| it["id"] == id && it["status"] == "canceled")
            })
            .await;
    })
    .await;
}

/// `alpine` with these words, on the database of an instance that serves.
fn command(it: &Scene, words: &[&str]) -> (bool, String) {
    let config = &it.alpine.app.config;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_alpine"))
        .args(words)
        .env_clear()
        .env("DATABASE_URL", &config.database.url)
        .env("JWT_SECRET", crate::support::SECRET)
        .env("ALPINE__DATA_DIR", it.alpine.app.data_path(""))
        .env("ALPINE__BILLING__STRIPE_URL", &it.stripe.url)
        .env("STRIPE_SECRET_KEY", KEY)
        .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("STRIPE_PRO_PRICE_ID", "price_pro")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// An operator has it done at once, or is only told.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_compares_at_once() {
    Scene::on_every_back_end(async |it| {
        let run = async |words: &'static [&'static str]| {
            tokio::task::block_in_place(|| command(&it, words))
        };
        let customer = it.upgrade("pro").await;
        let (good, told) = run(&["stripe", "sync", "--dry-run"]).await;
        assert!(good && told.contains("every account says what the provider says"), "{told}");
        let id = it.stripe.pay(&customer, it.seconds(), 30);
        let (good, told) = run(&["stripe", "sync", "--dry-run"]).await;
        assert!(!good && told.contains(&format!("{customer}, user ")), "{told}");
        assert!(told.contains("nothing is kept, the provider says pro"), "{told}");
        assert_eq!(it.plan().await["tier"], "free");
        let (good, told) = run(&["stripe", "sync"]).await;
        assert!(good && told.contains("read 1 customers anew"), "{told}");
        it.comes_to("pro").await;
        it.stripe.change(&id, |it| it["status"] = json!("canceled"));
        let (good, told) = run(&["stripe", "sync"]).await;
        assert!(good && told.contains("pro is kept, the provider says nothing"), "{told}");
        it.comes_to("free").await;
        it.stripe.set(Mood::Failing(500));
        let (good, told) = run(&["stripe", "sync"]).await;
        assert!(!good && told.contains("the payment provider is unavailable"), "{told}");
    })
    .await;
}
