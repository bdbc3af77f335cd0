//! An instance with accounts and signals, to be tried.

use std::{io::Write as _, path::Path, process::Stdio};

use alpine_testing::servers::{Postgres, Redis};
use anyhow::{Context as _, Result, bail};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::instance::{Instance, PRODUCER_KEY, alpine};

/// Of every account here.
const PASSWORD: &str = "five tall pines by the lake";
/// The database on the throw-away server.
const DATABASE: &str = "alpine_assure";

/// One instance and who may call it.
pub(super) struct World {
    pub(super) name: &'static str,
    instance: Instance,
    accounts: Vec<Account>,
    client: Client,
    folder: tempfile::TempDir,
}

/// As whom the API is tried.
pub(super) struct Account {
    pub(super) name: &'static str,
    email: String,
    api_key: String,
}

impl Account {
    pub(super) fn api_key(&self) -> &str {
        &self.api_key
    }

    /// What the configuration takes from the environment.
    pub(super) fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("ALPINE_EMAIL", &self.email),
            ("ALPINE_PASSWORD", PASSWORD),
            ("ALPINE_API_KEY", &self.api_key),
            ("ALPINE_PRODUCER_KEY", PRODUCER_KEY),
        ]
    }
}

impl World {
    /// With nothing else than the program, where payments are played.
    pub(super) fn on_sqlite() -> Result<Self> {
        Self::with("SQLite", &[("ALPINE__PROFILE", "development".to_owned())])
    }

    /// With a database and a Redis of its own.
    pub(super) fn on_postgres(postgres: &Postgres, redis: &Redis) -> Result<Self> {
        postgres.execute(&format!("CREATE DATABASE {DATABASE}"))?;
        let admin = postgres.url();
        let (server, _) = admin.rsplit_once('/').context("no database in the URL")?;
        let settings =
            [("DATABASE_URL", format!("{server}/{DATABASE}")), ("REDIS_URL", redis.url())];
        Self::with("PostgreSQL", &settings)
    }

    /// With these settings.
    pub(super) fn with(name: &'static str, settings: &[(&str, String)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let instance = Instance::start(folder.path(), settings)?;
        let mut world =
            Self { name, instance, accounts: Vec::new(), client: Client::new(), folder };
        let (user, admin) = ("user@example.com", "admin@example.com");
        world.post(
            "auth/signup",
            None,
            &json!({"email": user, "password": PASSWORD, "full_name": "Ada"}),
        )?;
        make_admin(world.folder.path(), settings, admin)?;
        for (name, email) in [("a user", user), ("an administrator", admin)] {
            let signed_in =
                world.post("auth/login", None, &json!({"email": email, "password": PASSWORD}))?;
            let token = signed_in["access_token"].as_str().context("an access token")?;
            let key = world.post("users/api-keys", Some(token), &json!({"name": "bot"}))?;
            let api_key = key["key"].as_str().unwrap_or("none").to_owned();
            world.accounts.push(Account { name, email: email.to_owned(), api_key });
        }
        Ok(world)
    }

    pub(super) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The folder of the instance, for files beside it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the instance listens.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.instance.address)
    }

    /// The body of what stands at the root.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let answer = self.client.get(format!("{}{path}", self.base())).send()?;
        Ok(answer.error_for_status()?.text()?)
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let mut request = self.client.post(format!("{}/api/v1/{path}", self.base()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.header("Content-Type", "application/json").body(body.to_string());
        Ok(serde_json::from_str(&answer.send()?.text()?)?)
    }
}

fn make_admin(folder: &Path, settings: &[(&str, String)], email: &str) -> Result<()> {
    let arguments = ["admin", "create", "--email", email, "--password-stdin"];
    let mut command = alpine(folder, settings, &arguments)?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{PASSWORD}")?;
    }
    if !child.wait()?.success() {
        bail!("no administrator could be made");
    }
    Ok(())
}
