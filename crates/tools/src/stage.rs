//! The application on a database with two years of signals, and those who ask it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock as _,
    account::{Role, Tier},
    time::SystemClock,
};
use alpine_server::application::{Application, Core, StopHandle};
use anyhow::{Context as _, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    fixture,
    seed::{self, Sizes},
};

const PASSWORD: &str = "a quiet river at dawn";
/// A start that takes longer has failed.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Nobody with an account: late by a quarter of an hour.
    Anybody,
    /// A subscriber without bounds.
    Reader,
    /// A subscriber of the free tier: late, and below a confidence.
    Free,
    Admin,
    Producer,
}

/// A running application, without background work that changes signals or sums.
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) core: Arc<Core>,
    /// How long the rows took, and then the sums of the record.
    pub(crate) took: [Duration; 2],
    base: String,
    http: reqwest::Client,
    /// Of the reader, of the free tier, of the administrator, and the producer's key.
    tokens: [String; 4],
    /// A signal that anybody may see.
    pub(crate) signal: String,
    stop: StopHandle,
    running: JoinHandle<Result<()>>,
}

impl Stage {
    /// Fills the database and starts the application on it.
    pub(crate) async fn make(folder: &Path, url: Option<String>, signals: i64) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut config = fixture::config(folder, 1)?;
        config.database.url = url.unwrap_or_default();
        config.rate_limits.enabled = false;
        // Each answer is made anew.
        config.cache.max_body = 1;
        config.signals.expiry_interval = Duration::from_hours(24);
        config.record.seal_interval = Duration::from_hours(24);
        let url = config.database_url().reveal().to_owned();
        let started = Instant::now();
        let (filled, sizes) = (url.clone(), Sizes { signals, until: SystemClock.now() });
        tokio::task::spawn_blocking(move || seed::make(&filled, sizes)).await??;
        let filled = started.elapsed();
        let application = Application::build(&config).await?;
        let (address, core) = (application.address(), Arc::clone(application.core()));
        let (stop, running) = (application.stop_handle(), tokio::spawn(application.run()));
        let cases = &core.use_cases;
        let (_, key) = cases.producers.create("stage", false).await?;
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
        let started = Instant::now();
        while !core.stores.sums.seal(until, 50_000).await?.is_done {}
        let took = [filled, started.elapsed()];
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
        let signal = String::new();
        let mut it = Self { url, core, took, base, http, tokens, signal, stop, running };
        let told = it.http.get(format!("{}/api/v1/signals/latest", it.base)).send().await?;
        let told: Value = told.error_for_status()?.json().await?;
        let id = told.pointer("/0/id");
        it.signal = id.with_context(|| format!("no signal: {told}"))?.to_string();
        it.signal.retain(|c| c != '"');
        Ok(it)
    }

    /// A request to a path below `/api/v1/`.
    pub(crate) fn request(&self, method: Method, by: By, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.base));
        let [reader, free, admin, key] = &self.tokens;
        match by {
            By::Anybody => request,
            By::Reader => request.bearer_auth(reader),
            By::Free => request.bearer_auth(free),
            By::Admin => request.bearer_auth(admin),
            By::Producer => request.header("x-api-key", key),
        }
    }

    /// Ends the application.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.force();
        self.running.await?
    }
}
