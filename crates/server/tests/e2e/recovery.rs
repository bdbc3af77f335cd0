//! Another password for who has forgotten the old one, and confirming the address, by mail.

use std::time::{Duration, Instant};

use alpine_domain::{
    jobs::{Claim, Job, JobCounts, Lane, Lease, NewJob},
    ports::secrets::Randomness,
};
use alpine_testing::Wait;
use serde_json::json;

use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options, TestApp, mailed_token},
};

const EMAIL: &str = "ada@example.com";
const OTHER: &str = "a loud river at noon";
const NONE: JobCounts = JobCounts { pending: 0, failed: 0 };

async fn forget(app: &TestApp, email: &str) -> Answer {
    app.client().post("auth/forgot-password", &json!({"email": email})).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.client().post("auth/reset-password", &body).await
}

/// Waits until nothing is to be done.
async fn all_done(app: &TestApp) {
    let is_done = async || app.core.stores.jobs.counts().await.unwrap() == NONE;
    Wait::unpromised("a busy machine decides").until("all jobs are done", is_done).await;
}

/// The mails by which another password is set.
fn resets(app: &TestApp) -> Vec<String> {
    let mails = app.mails().into_iter();
    mails.filter(|mail| mail.contains("Subject: Another password for Alpine")).collect()
}

fn with_website() -> Options {
    Options::default().set("FRONTEND_URL", "https://www.example.com/")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgot_the_password_sets_another_one_by_mail() {
    Alpine::with(with_website, async |alpine| {
        let app = &alpine.app;
        let ada = app.client().sign_up(EMAIL).await;
        let asked = forget(app, " ADA@example.com").await;
        let told = asked.expect(200);
        all_done(app).await;
        let mails = resets(app);
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("To: ada@example.com"), "{}", mails[0]);
        assert!(mails[0].contains("https://www.example.com/reset-password?"), "{}", mails[0]);
        let token = mailed_token(&mails[0]);

        // Who is not there is told the same, and gets nothing.
        assert_eq!(forget(app, "nobody@example.com").await.expect(200), told);
        all_done(app).await;
        assert_eq!(resets(app).len(), 1);
        let refused = forget(app, "nobody").await;
        assert_eq!(
            (refused.status.as_u16(), refused.refused_fields()),
            (422, vec!["email".into()])
        );

        let refused = reset(app, "0", OTHER).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refused_fields()),
            (422, vec!["token".into()])
        );
        let refused = reset(app, &token, "short").await;
        let fields = refused.refused_fields();
        assert_eq!((refused.status.as_u16(), fields), (422, vec!["password".into()]));
        let body = json!({"email": EMAIL, "password": Client::PASSWORD});
        app.client().post("auth/login", &body).await.expect(200);

        reset(app, &token, OTHER).await.expect(200);
        assert_eq!(app.client().post("auth/login", &body).await.status, 401);
        let profile = app.client().with_token(&ada.access_token).get("users/profile").await;
        assert_eq!(profile.status, 401);
        let body = json!({"email": EMAIL, "password": OTHER});
        app.client().post("auth/login", &body).await.expect(200);
        assert_eq!(reset(app, &token, Client::PASSWORD).await.status, 422, "it is used");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_up_confirms_the_address_by_mail() {
    Alpine::with(with_website, async |alpine| {
        let app = &alpine.app;
        let ada = app.client().sign_up(EMAIL).await;
        let client = app.client().with_token(&ada.access_token);
        let is_verified =
            async || client.get("users/profile").await.expect(200)["is_verified"].clone();
        assert_eq!(is_verified().await, false);
        all_done(app).await;
        client.post("auth/resend-verification", &json!({})).await.expect(200);
        all_done(app).await;
        let mails = app.mails();
        assert_eq!(mails.len(), 2);
        assert!(mails[1].contains("Subject: Confirm your address for Alpine"), "{}", mails[1]);
        assert!(mails[1].contains("https://www.example.com/verify-email?"), "{}", mails[1]);
        let confirm = async |token: &str| {
            app.client().post("auth/verify-email", &json!({"token": token})).await
        };
        let refused = confirm(&mailed_token(&mails[0])).await;
        let fields = refused.refused_fields();
        assert_eq!((refused.status.as_u16(), fields), (422, vec!["token".into()]));
        confirm(&mailed_token(&mails[1])).await.expect(200);
        assert_eq!(is_verified().await, true);
        assert_eq!(confirm(&mailed_token(&mails[1])).await.status, 422, "it is used");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_after_an_hour_and_when_a_newer_one_is_sent() {
    Alpine::with(with_website, async |alpine| {
        let app = &alpine.app;
        app.client().sign_up(EMAIL).await;
        for _ in 0..2 {
            forget(app, EMAIL).await.expect(200);
            all_done(app).await;
        }
        let mails = resets(app);
        let (old, new) = (mailed_token(&mails[0]), mailed_token(&mails[1]));
        assert_eq!(reset(app, &old, OTHER).await.status, 422);
        alpine.clock.advance(Duration::from_hours(1));
        assert_eq!(reset(app, &new, OTHER).await.status, 422);
    })
    .await;
}

struct Zeros;

impl Randomness for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// It died after the request was answered and before the mail was sent: its lease runs out.
#[tokio::test(flavor = "multi_thread")]
async fn the_mail_of_an_instance_that_died_is_sent_once_by_another() {
    let often = || with_website().set("ALPINE__JOBS__INTERVAL", "20ms");
    Alpine::with(often, async |alpine| {
        let app = &alpine.app;
        app.client().sign_up(EMAIL).await;
        // What signing up adds is no part of this.
        all_done(app).await;
        let jobs = &app.core.stores.jobs;
        let due = app.now().later(Duration::from_mins(1));
        let job = Job::ResetRequested { email: EMAIL.to_owned() };
        jobs.add(NewJob::new(job, app.now()).due(due)).await.unwrap();
        let until = due.later(Duration::from_mins(1));
        let claim =
            Claim { lane: Lane::Mail, now: due, until, lease: Lease::generate(&Zeros), limit: 1 };
        let held = jobs.claim(claim).await.unwrap().remove(0);
        let other = app.sibling().await;
        // To the end of the lease but one step: it is held by who does not live any more.
        alpine.clock.advance(Duration::from_mins(2) - Duration::from_micros(1));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(resets(app).len(), 0);
        alpine.clock.advance(Duration::from_micros(1));
        all_done(&other).await;
        assert_eq!(resets(app).len(), 1);
        assert!(!jobs.finish(&held).await.unwrap());
        reset(&other, &mailed_token(&resets(app)[0]), OTHER).await.expect(200);
    })
    .await;
}

/// Neither requests nor other jobs wait for a server that takes connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_delays_nothing_else() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let hanging = || {
        Options::default()
            .set("ALPINE__MAIL__SMTP", &url)
            .set("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "never")
    };
    Alpine::with(hanging, async |alpine| {
        let app = &alpine.app;
        let jobs = &app.core.stores.jobs;
        for n in 0..9 {
            let email = format!("u{n}@example.com");
            app.client().sign_up(&email).await;
            forget(app, &email).await.expect(200);
        }
        let asked = Instant::now();
        jobs.add(NewJob::new(Job::Check, app.now())).await.unwrap();
        let promise = "done at once, whereas mail.timeout is 20 s; ten for a busy machine";
        Wait::promised(Duration::from_secs(10), asked, promise)
            .until("the other is done", async || jobs.counts().await.unwrap().pending == 18)
            .await;
        assert_eq!(resets(app).len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_is_limited_by_address_and_account() {
    let limited = || {
        Options::default()
            .set("ALPINE__RATE_LIMITS__ENABLED", "true")
            .set("ALPINE__RATE_LIMITS__SIGN_IN__PER_MINUTE", "3")
    };
    for path in ["auth/forgot-password", "auth/reset-password"] {
        Alpine::with(limited, async |alpine| {
            let body = json!({"email": EMAIL, "token": "0", "password": OTHER});
            let mut statuses = Vec::new();
            for _ in 0..4 {
                statuses.push(alpine.app.client().post(path, &body).await.status.as_u16());
            }
            assert_eq!(statuses[3], 429, "{path}: {statuses:?}");
            assert!(statuses[..3].iter().all(|status| *status != 429), "{path}: {statuses:?}");
        })
        .await;
    }
}
