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
    settings: Vec<(String, String)>,
}

impl Process {
    /// Starts it with these settings besides, by environment name, and waits until it serves.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_by("exec \"$0\" \"$@\"", settings)
    }

    /// The same by a shell's command, in which `"$0" "$@"` is the program.
    pub fn start_by(command: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (child, address, metrics) = Self::spawn(folder.path(), command, &settings);
        Self { address, metrics, child, folder, settings }
    }

    /// Starts it once more where it was killed.
    pub fn start_again(&mut self) {
        let command = "exec \"$0\" \"$@\"";
        let (child, address, metrics) = Self::spawn(self.folder.path(), command, &self.settings);
        (self.child, self.address, self.metrics) = (child, address, metrics);
    }

    fn spawn(
        folder: &std::path::Path,
        command: &str,
        settings: &[(String, String)],
    ) -> (Child, SocketAddr, SocketAddr) {
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let output = std::fs::File::create(folder.join("output")).expect("a file");
        let metrics = Self::free_port();
        let mut child = Command::new("/bin/sh")
            .args(["-c", command, env!("CARGO_BIN_EXE_alpine"), "serve"])
            .env_clear()
            .env("ALPINE__HTTP__BIND", "127.0.0.1:0")
            .env("ALPINE__DATA_DIR", folder)
            .env("ALPINE__METRICS__BIND", metrics.to_string())
            .env("ALPINE__LOGGING__FORMAT", "json")
            .env("JWT_SECRET", super::SECRET)
            // Signals of tests have written times, whatever time it is.
            .env("ALPINE__SIGNALS__LIVE_WITHIN", "3650d")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdout(output)
            .stderr(log)
            .spawn()
            .expect("the program");
        let log = folder.join("log");
        let serving = || {
            assert_eq!(child.try_wait().expect("a child"), None, "it has ended");
            Self::address_in(&log)
        };
        let address = Wait::unpromised("a process starts as fast as the machine lets it")
            .until_some_blocking("the program serves", serving);
        (child, address, metrics)
    }

    /// Where it serves, once its log says so, in either of its forms.
    fn address_in(log: &PathBuf) -> Option<SocketAddr> {
        let lines = Self::read(log);
        let serving = lines.iter().find(|line| line["message"] == "serving");
        if let Some(line) = serving {
            return line["address"].as_str()?.parse().ok();
        }
        let text = std::fs::read_to_string(log).ok()?;
        let words = text.lines().find(|line| line.contains("serving address="))?;
        words.split("address=").nth(1)?.split(' ').next()?.parse().ok()
    }

    /// The program with other arguments on the same database, by the same settings and without a secret.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alpine"));
        command
            .args(arguments)
            .env_clear()
            .env("ALPINE__DATA_DIR", self.folder.path())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
        command
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends it as a power cut would, and keeps its folder.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
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
