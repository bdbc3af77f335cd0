//! One instance, in a process of its own, and what it uses of the machine.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Signs the tokens of the soak and nothing else.
const SECRET: &str = "b0f1c2d3e4a5968778695a4b3c2d1e0f00112233";
/// The key of its producer.
pub(super) const PRODUCER_KEY: &str = "9c41d7e02b6f4a58813e5d90c7f2a6b41e";
/// How long a start may take; the machine may be busy.
const START: Duration = Duration::from_mins(1);
/// Above what the soak sends: limits are counted, but refuse nobody.
const NO_LIMIT: &str = "1000000000";

/// `alpine serve`. Dropping it kills it.
pub(super) struct Instance {
    pub(super) address: SocketAddr,
    child: Child,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Resident memory, bytes.
    pub(super) memory: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

impl Instance {
    /// Starts it in `folder` with these settings besides, and waits until it serves.
    pub(super) fn start(folder: &Path, settings: &[(&str, String)]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = folder.join("log");
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["soak", "serve"]).env_clear().current_dir(folder);
        command
            .env("ALPINE__PROFILE", "production")
            .env("ALPINE__HTTP__BIND", "127.0.0.1:0")
            .env("ALPINE__METRICS__BIND", "main")
            .env("ALPINE__DATA_DIR", folder)
            .env("ALPINE__LOGGING__FORMAT", "json")
            .env("ALPINE__ACCOUNTS__SIGNUP_TIER", "elite")
            // Who stops reading is disconnected within the soak.
            .env("ALPINE__HTTP__SEND_WINDOW", "3s")
            .env("JWT_SECRET", SECRET)
            .env("ARGO_API_KEY", PRODUCER_KEY);
        for policy in
            ["ELITE", "ANONYMOUS", "ADDRESS", "SIGN_IN", "STRANGERS", "REFRESH", "PRODUCER"]
        {
            command.env(format!("ALPINE__RATE_LIMITS__{policy}__PER_MINUTE"), NO_LIMIT);
            command.env(format!("ALPINE__RATE_LIMITS__{policy}__PER_HOUR"), NO_LIMIT);
        }
        let child = command
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        // From here on it is killed whatever happens.
        let mut instance = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child };
        let started = Instant::now();
        loop {
            let text = fs::read_to_string(&log)?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = { lines }.find(|line| line["message"] == "serving") {
                instance.address = line["address"].as_str().context("no address")?.parse()?;
                return Ok(instance);
            }
            if instance.child.try_wait()?.is_some() || started.elapsed() > START {
                bail!("an instance does not start:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it uses now.
    pub(super) fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name}"))?.parse()?)
        };
        Ok(Usage {
            memory: field("VmRSS:")? * 1024,
            descriptors: fs::read_dir(format!("{folder}/fd"))?.count() as u64,
            threads: field("Threads:")?,
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Usage {
    /// The greater of each figure.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }
}
