//! The program itself in a process of its own, for what a process has once: its log and its memory.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
};

use alpine_testing::Wait;

/// `alpine serve` on SQLite and a free port. Dropping it kills it.
pub struct Process {
    pub address: SocketAddr,
    /// Where it serves its metrics and liveness.
    pub metrics: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts it with these settings besides, by environment name, and waits until it serves.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let output = std::fs::File::create(folder.path().join("output")).expect("a file");
        let metrics = Self::free_port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .arg("serve")
            .env_clear()
            .env("ALPINE__HTTP__BIND", "127.0.0.1:0")
            .env("ALPINE__DATA_DIR", folder.path())
            .env("ALPINE__METRICS__BIND", metrics.to_string())
            .env("ALPINE__LOGGING__FORMAT", "json")
            .env("JWT_SECRET", super::SECRET)
            // Signals of tests have written times, whatever time it is.
            .env("ALPINE__SIGNALS__LIVE_WITHIN", "3650d")
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdout(output)
            .stderr(log)
            .spawn()
            .expect("the program");
        let serving = || {
            assert_eq!(child.try_wait().expect("a child"), None, "it has ended");
            Self::read(&folder.path().join("log"))
                .into_iter()
                .find(|line| line["message"] == "serving")
        };
        let serving = Wait::unpromised("a process starts as fast as the machine lets it")
            .until_some_blocking("the program serves", serving);
        let address = serving["address"].as_str().expect("text").parse().expect("an address");
        Self { address, metrics, child, folder }
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<serde_json::Value> {
        Self::read(&self.folder.path().join("log"))
    }

    /// The same as it was written.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).expect("the output")
    }

    /// Asks it to stop, as a supervisor does.
    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends it a signal.
    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("an id"), signal).expect("it runs");
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// The value of a counter or gauge without labels.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        let url = format!("http://{}/metrics", self.metrics);
        let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("Linux's account of the process");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// The value that a variable of its environment has.
    pub fn variable(&self, name: &str) -> Option<String> {
        let path = format!("/proc/{}/environ", self.child.id());
        let text = std::fs::read_to_string(path).expect("Linux's account of the process");
        let value = |entry: &str| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        text.split('\0').find_map(value)
    }

    /// The names of its threads, of which Linux keeps the first 15 characters.
    pub fn threads(&self) -> Vec<String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(folder).expect("Linux's account of the process");
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        tasks.filter_map(name).map(|name| name.trim_end().to_owned()).collect()
    }

    /// Somebody else could take it before the program does; ports are given out in turn, so it is unlikely.
    fn free_port() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    }

    fn read(path: &PathBuf) -> Vec<serde_json::Value> {
        let file = BufReader::new(std::fs::File::open(path).expect("the log"));
        // The last line may be half written.
        file.lines().map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
