//! The application on a database with rows, and those who ask it.

use std::{path::Path, sync::Arc, time::Duration};

use alpine_domain::{
    Clock as _,
    account::{Role, Tier},
    time::SystemClock,
};
use alpine_server::application::{Application, StopHandle};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    asks::{Ask, Body, By},
    sent::{self, Sent},
};
use crate::{
    bench::fixture,
    seed::{self, Sizes},
};

const PASSWORD: &str = "a quiet river at dawn";
/// How often each request is made: a server may plan a statement otherwise from the sixth time on.
const TIMES: usize = 7;
/// A start that takes longer has failed.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// A running application.
pub(super) struct Stage {
    pub(super) url: String,
    base: String,
    http: reqwest::Client,
    /// Of the reader, of the free tier, of the administrator, and the producer's key.
    tokens: [String; 4],
    signal: String,
    /// Signals that were sent, and those that have ended.
    turns: [usize; 2],
    stop: StopHandle,
    running: JoinHandle<Result<()>>,
}

impl Stage {
    /// Fills the database and starts the application on it.
    pub(super) async fn make(folder: &Path, url: Option<String>, signals: i64) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut config = fixture::config(folder, 1)?;
        config.database.url = url.unwrap_or_default();
        config.rate_limits.enabled = false;
        // Each answer is made anew.
        config.cache.max_body = 1;
        config.signals.expiry_interval = Duration::from_hours(24);
        config.record.seal_interval = Duration::from_hours(24);
        let url = config.database_url().reveal().to_owned();
        let (filled, sizes) = (url.clone(), Sizes { signals, until: SystemClock.now() });
        tokio::task::spawn_blocking(move || seed::make(&filled, sizes)).await??;
        let application = Application::build(&config).await?;
        let (address, core) = (application.address(), Arc::clone(application.core()));
        let (stop, running) = (application.stop_handle(), tokio::spawn(application.run()));
        let cases = &core.use_cases;
        let (_, key) = cases.producers.create("explain", false).await?;
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).build()?;
        let base = format!("http://{address}");
        let readiness = format!("{base}/health/readiness");
        tokio::time::timeout(START_DEADLINE, async {
            while !http.get(&readiness).send().await?.status().is_success() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            anyhow::Ok(())
        })
        .await
        .context("the application is not ready")??;
        // The sums of the record, as the service makes them once every reader may know of what happened.
        let until = SystemClock.now().earlier(Duration::from_mins(16));
        while !core.stores.sums.seal(until, 5_000).await?.is_done {}
        let mut tokens = Vec::new();
        for (name, tier, role) in [
            ("reader", Tier::Elite, Role::User),
            ("free", Tier::Free, Role::User),
            ("admin", Tier::Free, Role::Admin),
        ] {
            let email = format!("{name}@example.com");
            cases.accounts.create(&email, PASSWORD, "Somebody", tier, role).await?;
            let body = json!({"email": email, "password": PASSWORD});
            let answer = http.post(format!("{base}/api/v1/auth/login")).json(&body).send().await?;
            let told: Value = answer.error_for_status()?.json().await?;
            tokens.push(told["access_token"].as_str().context("no token")?.to_owned());
        }
        let [reader, free, admin] = <[String; 3]>::try_from(tokens).unwrap_or_default();
        let tokens = [reader, free, admin, key.reveal().to_owned()];
        let mut it =
            Self { url, base, http, tokens, signal: String::new(), turns: [0; 2], stop, running };
        let told = it.http.get(format!("{}/api/v1/signals/latest", it.base)).send().await?;
        let told: Value = told.error_for_status()?.json().await?;
        let id = told.pointer("/0/id");
        it.signal = id.with_context(|| format!("no signal: {told}"))?.to_string();
        it.signal.retain(|c| c != '"');
        Ok(it)
    }

    /// Makes the request some times; says which statements that sent, and the first answer that was none.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<(Sent, Option<String>)> {
        sent::take();
        for _ in 0..TIMES {
            let path = ask.path.replace("<signal>", &self.signal);
            let url = format!("{}/api/v1/{path}", self.base);
            let request = match self.body(ask.body)? {
                None => self.http.get(url),
                Some(body) => {
                    self.http.post(url).header("content-type", "application/json").body(body)
                }
            };
            let [reader, free, admin, key] = &self.tokens;
            let request = match ask.by {
                By::Anybody => request,
                By::Reader => request.bearer_auth(reader),
                By::Free => request.bearer_auth(free),
                By::Admin => request.bearer_auth(admin),
                By::Producer => request.header("x-api-key", key),
            };
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                return Ok((sent::take(), Some(format!("{status} {text}"))));
            }
        }
        Ok((sent::take(), None))
    }

    fn body(&mut self, body: Body) -> Result<Option<String>> {
        let [signals, outcomes] = &mut self.turns;
        Ok(match body {
            Body::None => None,
            Body::Signal => {
                *signals += 1;
                fixture::signals()?.get(*signals - 1).cloned()
            }
            Body::Outcome => {
                *outcomes += 1;
                let all = fixture::signals()?;
                let signal: Value =
                    serde_json::from_str(all.get(*outcomes - 1).context("no signal")?)?;
                let said = json!({"signal_id": signal["signal_id"], "exit_price": signal["entry_price"],
                    "exit_timestamp": "2025-12-31T10:30:00Z", "status": "closed"});
                Some(said.to_string())
            }
        })
    }

    /// Ends the application.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.force();
        self.running.await?
    }
}
