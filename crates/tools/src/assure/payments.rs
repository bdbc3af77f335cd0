//! An instance where payments are played, and everybody begins without paying.

use std::path::Path;

use alpine_testing::servers::{Postgres, Redis};
use anyhow::{Context as _, Result};

use crate::instance::{Instance, PRODUCER_KEY};

/// The database on the throw-away server.
const DATABASE: &str = "alpine_payments";

/// One instance of the development profile.
pub(super) struct Payments {
    pub(super) name: &'static str,
    instance: Instance,
    folder: tempfile::TempDir,
}

impl Payments {
    /// With nothing else than the program.
    pub(super) fn on_sqlite() -> Result<Self> {
        Self::with("SQLite", Vec::new())
    }

    /// With a database of its own, and a Redis.
    pub(super) fn on_postgres(postgres: &Postgres, redis: &Redis) -> Result<Self> {
        postgres.execute(&format!("CREATE DATABASE {DATABASE}"))?;
        let admin = postgres.url();
        let (server, _) = admin.rsplit_once('/').context("no database in the URL")?;
        let settings = vec![
            ("DATABASE_URL", format!("{server}/{DATABASE}")),
            ("REDIS_URL", redis.url()),
            ("ALPINE__REDIS__KEY_PREFIX", DATABASE.to_owned()),
        ];
        Self::with("PostgreSQL with Redis", settings)
    }

    fn with(name: &'static str, mut settings: Vec<(&str, String)>) -> Result<Self> {
        for (setting, value) in [
            ("ALPINE__PROFILE", "development"),
            ("ALPINE__BILLING__PROVIDER", "development"),
            ("ALPINE__ACCOUNTS__SIGNUP_TIER", "free"),
            ("ALPINE__RATE_LIMITS__ENABLED", "false"),
        ] {
            settings.push((setting, value.to_owned()));
        }
        let folder = tempfile::tempdir()?;
        let instance = Instance::start(folder.path(), &settings)?;
        Ok(Self { name, instance, folder })
    }

    /// What the journey takes from the environment.
    pub(super) fn environment(&self) -> [(&'static str, String); 2] {
        [("ALPINE_BASE", self.base()), ("ALPINE_PRODUCER_KEY", PRODUCER_KEY.to_owned())]
    }

    /// The folder of the instance, for files beside it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the instance says of its API.
    pub(super) fn description(&self) -> Result<String> {
        let answer = reqwest::blocking::get(format!("{}/openapi.json", self.base()))?;
        Ok(answer.error_for_status()?.text()?)
    }

    fn base(&self) -> String {
        format!("http://{}", self.instance.address)
    }
}
