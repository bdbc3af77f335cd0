//! Servers, prefixes and metrics for tests.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use alpine_infra::{
    InfraMetrics,
    redis::{RedisHandle, RedisSettings},
};

pub(crate) fn metrics() -> Arc<InfraMetrics> {
    InfraMetrics::register(&prometheus::Registry::new()).unwrap()
}

/// Says that a test could not run; an error where nothing may be skipped silently.
pub(crate) fn skip(missing: &str) {
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{missing} is missing, and CI=true forbids skipping"
    );
    eprintln!("skipped: {missing} is missing");
}

pub(crate) fn random_prefix() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    format!("alpine-test-{}", hex::encode(bytes))
}

/// Settings for the shared server, under a new prefix. The deadline is generous: a busy machine must
/// not make a contract test fall back.
pub(crate) fn shared_settings() -> Option<RedisSettings> {
    let Ok(url) = std::env::var("ALPINE_TEST_REDIS_URL") else {
        skip("ALPINE_TEST_REDIS_URL");
        return None;
    };
    let mut settings = RedisSettings::new(&url).unwrap();
    settings.key_prefix = random_prefix();
    settings.deadline = Duration::from_secs(2);
    Some(settings)
}

pub(crate) async fn open(settings: RedisSettings) -> RedisHandle {
    let redis = RedisHandle::open(settings, metrics()).unwrap();
    assert!(redis.wait_until_in_use(Duration::from_secs(10)).await, "Redis does not answer");
    redis
}

/// A server that belongs to one test and ends with it.
pub(crate) struct OwnRedis {
    port: u16,
    directory: tempfile::TempDir,
    process: Child,
}

impl OwnRedis {
    pub(crate) fn start() -> Option<Self> {
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        let Some(process) = spawn(port, &directory) else {
            skip("redis-server");
            return None;
        };
        Some(Self { port, directory, process })
    }

    pub(crate) fn settings(&self) -> RedisSettings {
        let mut settings =
            RedisSettings::new(&format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        settings.key_prefix = random_prefix();
        settings.deadline = Duration::from_millis(100);
        settings.probe_interval = Duration::from_millis(50);
        settings.poll_interval = Duration::from_millis(500);
        settings
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.port, &self.directory).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        // Ends a stopped process as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, directory: &tempfile::TempDir) -> Option<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
