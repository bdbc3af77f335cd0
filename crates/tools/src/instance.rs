//! One instance, in a process of its own, and what it uses of the machine.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alpine_server::cli::Cli;
use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use serde_json::Value;

/// Signs the tokens of such instances and nothing else.
const SECRET: &str = "b0f1c2d3e4a5968778695a4b3c2d1e0f00112233";
/// Seals their secrets of two-factor sign-in.
const SEALING: &str = "5b7e0c1f9a3d48266e81c4f7b2d09a35e6f1708c";
/// The key of their producer.
pub(crate) const PRODUCER_KEY: &str = "9c41d7e02b6f4a58813e5d90c7f2a6b41e";
/// How long a start may take; the machine may be busy.
const START: Duration = Duration::from_mins(1);
/// Above what any chore sends: limits are counted, but refuse nobody.
const NO_LIMIT: &str = "1000000000";

/// `alpine serve`. Dropping it kills it.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Resident memory, bytes.
    pub(crate) memory: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

/// `alpine` and its arguments, in the process of the chore that is called so.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// As the program takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Does what the program does.
pub(crate) fn run(arguments: Arguments) -> Result<bool> {
    let command_line = std::iter::once("alpine".to_owned()).chain(arguments.arguments);
    alpine_server::commands::run(Cli::parse_from(command_line)).map(|()| true)
}

/// `alpine` with these arguments, in `folder` and with the settings of an instance there.
pub(crate) fn alpine(
    folder: &Path,
    settings: &[(&str, String)],
    arguments: &[&str],
) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("alpine").args(arguments).env_clear().current_dir(folder);
    command
        .env("ALPINE__PROFILE", "production")
        .env("ALPINE__HTTP__BIND", "127.0.0.1:0")
        .env("ALPINE__METRICS__BIND", "main")
        .env("ALPINE__DATA_DIR", folder)
        .env("ALPINE__LOGGING__FORMAT", "json")
        .env("ALPINE__ACCOUNTS__SIGNUP_TIER", "elite")
        .env("JWT_SECRET", SECRET)
        .env("ALPINE__SECRETS__SECOND_FACTOR", SEALING)
        .env("ARGO_API_KEY", PRODUCER_KEY);
    for policy in ["ELITE", "ANONYMOUS", "ADDRESS", "SIGN_IN", "STRANGERS", "REFRESH", "PRODUCER"] {
        command.env(format!("ALPINE__RATE_LIMITS__{policy}__PER_MINUTE"), NO_LIMIT);
        command.env(format!("ALPINE__RATE_LIMITS__{policy}__PER_HOUR"), NO_LIMIT);
    }
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

impl Instance {
    /// Starts it in `folder` with these settings besides, and waits until it serves.
    pub(crate) fn start(folder: &Path, settings: &[(&str, String)]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = folder.join("log");
        let mut command = alpine(folder, settings, &["serve"])?;
        let child = command
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
    pub(crate) fn usage(&self) -> Result<Usage> {
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
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }
}
